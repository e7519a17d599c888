/*
 * Notes what is synced below a folder. Before a program (LD_PRELOAD) it takes the place of fsync and fdatasync: each copies what
 * the file or folder holds at that moment into another folder, and returns once the copy is whole. As a program of its own
 * (-DPROGRAM) it notes all that there is: `all`, or only the names: `names`.
 *
 * POWER_LOSS_ROOT is the folder, POWER_LOSS_NOTES that of the copies. There a file or folder goes by its inode and its time of
 * birth, so that a number that is used again means something else:
 *   content-KEY  what the file held
 *   names-KEY    what the folder held: for each name its kind, key, mode, name and target, each ended by a NUL
 *   calls        a line for each call: the file's path
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A note that can't be taken would make a test pass or fail for the wrong reason. */
static void need(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "synced.c: %s: %s\n", what, strerror(errno));
        abort();
    }
}

static void path_of(char *path, const char *form, const char *key)
{
    const char *notes = getenv("POWER_LOSS_NOTES");
    need(notes && snprintf(path, PATH_MAX, form, notes, key) < PATH_MAX, "POWER_LOSS_NOTES");
}

static void key_of(char *key, size_t size, const struct statx *status)
{
    need(status->stx_mask & STATX_BTIME, "the file system knows no time of birth");
    snprintf(key, size, "%llu-%lld-%u", (unsigned long long)status->stx_ino, (long long)status->stx_btime.tv_sec,
             status->stx_btime.tv_nsec);
}

static void copy_content(int from, int to)
{
    static __thread char bytes[1 << 16];
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        need(write(to, bytes, count) == count, "writing a note");
    need(count == 0, "reading what is synced");
}

static void copy_names(int folder, int to)
{
    int again = dup(folder);
    DIR *entries = fdopendir(again);
    FILE *out = fdopen(dup(to), "w");
    struct dirent *entry;
    need(entries && out, "reading a folder");
    while ((entry = readdir(entries))) {
        struct statx status;
        char key[80], target[PATH_MAX] = "";
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        /* It may be gone by now. */
        if (statx(folder, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &status))
            continue;
        key_of(key, sizeof key, &status);
        if (S_ISLNK(status.stx_mode) && readlinkat(folder, entry->d_name, target, sizeof target - 1) < 0)
            continue;
        fprintf(out, "%c%c%s%c%o%c%s%c%s%c",
                S_ISDIR(status.stx_mode)    ? 'd'
                : S_ISLNK(status.stx_mode)  ? 'l'
                : S_ISFIFO(status.stx_mode) ? 'p'
                                            : 'f',
                0, key, 0, status.stx_mode & 07777, 0, entry->d_name, 0, target, 0);
    }
    closedir(entries);
    need(fclose(out) == 0, "writing a note");
}

static void note(int file, int content)
{
    char own[64], key[80], name[PATH_MAX], aside[PATH_MAX];
    struct statx status;
    need(statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) == 0, "statx");
    if (!S_ISDIR(status.stx_mode) && !(content && S_ISREG(status.stx_mode)))
        return;
    key_of(key, sizeof key, &status);
    path_of(name, S_ISDIR(status.stx_mode) ? "%s/names-%s" : "%s/content-%s", key);
    path_of(aside, "%s/aside", "");
    /* What is synced may be open for writing only. */
    snprintf(own, sizeof own, "/proc/self/fd/%d", file);
    int from = open(own, O_RDONLY | O_CLOEXEC), to = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(from >= 0 && to >= 0, "opening what is synced");
    if (S_ISDIR(status.stx_mode))
        copy_names(from, to);
    else
        copy_content(from, to);
    need(rename(aside, name) == 0, "renaming a note");
    close(from);
    close(to);
}

#ifdef PROGRAM

static int with_content;

static int visit(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)kind, (void)at;
    if (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) {
        int file = open(path, O_RDONLY | O_NOFOLLOW);
        need(file >= 0, path);
        note(file, with_content);
        close(file);
    }
    return 0;
}

int main(int count, char **arguments)
{
    const char *root = getenv("POWER_LOSS_ROOT");
    struct statx status;
    char key[80];
    need(count == 2 && root && statx(AT_FDCWD, root, 0, STATX_BASIC_STATS | STATX_BTIME, &status) == 0, "the root");
    with_content = !strcmp(arguments[1], "all");
    need(nftw(root, visit, 16, FTW_PHYS) == 0, "walking");
    key_of(key, sizeof key, &status);
    puts(key);
    return 0;
}

#else

static int sync_and_note(int file)
{
    const char *root = getenv("POWER_LOSS_ROOT");
    char own[64], path[PATH_MAX], notes[PATH_MAX];
    snprintf(own, sizeof own, "/proc/self/fd/%d", file);
    ssize_t length = readlink(own, path, sizeof path - 2);
    if (length < 0)
        return -1;
    path[length] = 0;
    if (!root || strncmp(path, root, strlen(root)))
        return 0;
    /* One at a time, in all threads and processes: an older note mustn't take the place of a newer one. */
    path_of(notes, "%s/calls", "");
    int calls = open(notes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    need(calls >= 0 && flock(calls, LOCK_EX) == 0, "locking the notes");
    note(file, 1);
    path[length] = '\n';
    need(write(calls, path, length + 1) == length + 1, "noting the call");
    close(calls);
    return 0;
}

int fsync(int file)
{
    return sync_and_note(file);
}

int fdatasync(int file)
{
    return sync_and_note(file);
}

#endif
