// SPDX-License-Identifier: MIT
int   wend_bad ( void ) { return   1; }
