/*
 * Replace the function that libexpat uses from GLIBC_2.36 with older functions.
 *
 * Python needs libexpat, so the bundle contains it; with this file it also runs on GLIBC_2.35.
 */

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

void arc4random_buf(void *buffer, size_t size)
{
    /* getrandom never returns fewer bytes up to 256; expat needs eight, as a seed for its hash tables. */
    if (size > 256 || getrandom(buffer, size, 0) != (ssize_t)size)
        abort();
}
