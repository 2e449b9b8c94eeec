// SPDX-License-Identifier: MIT
int wend_io_now(void);

int wend_io_now(void)
{
    return 1;
}
