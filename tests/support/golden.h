#pragma once
/* Drawings compared with files that people have looked at. RN_GOLDEN=write makes them anew, for a look and a commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *golden_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, (size_t)4 << 20);
    size_t n;

    assert_non_null(text);
    if (file == NULL)
        return text;
    n = fread(text, 1, ((size_t)4 << 20) - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

static inline void golden_check(const char *name, const char *actual)
{
    char path[512];
    char *expected;
    const char *mode = getenv("RN_GOLDEN");

    (void)snprintf(path, sizeof(path), "%s/tests/golden/map/%s", RN_SOURCE_DIR, name);
    if (mode != NULL && strcmp(mode, "write") == 0) {
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(actual, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return;
    }
    expected = golden_read(path);
    assert_string_equal(actual, expected);
    free(expected);
}
