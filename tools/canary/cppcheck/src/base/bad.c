// SPDX-License-Identifier: MIT
int wend_bad(int index)
{
    int table[4] = {0};
    table[4] = index;
    return table[0];
}
