// SPDX-License-Identifier: MIT
#include "net_world.h"

int main(void)
{
    return 0;
}
