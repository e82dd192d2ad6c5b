/*
 * What libexpat takes from the C library since GLIBC_2.36, made of what was there before.
 *
 * Python is linked to libexpat, so the bundle must contain it; with this it runs on GLIBC_2.35 as well.
 */

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

void arc4random_buf(void *buffer, size_t size)
{
    /* Up to 256 bytes come whole or not at all, and expat asks for eight: a seed for its hash tables. */
    if (size > 256 || getrandom(buffer, size, 0) != (ssize_t)size)
        abort();
}
