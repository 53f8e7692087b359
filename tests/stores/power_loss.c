/* Preloaded into a program that writes files: logs every write and every sync below POWER_LOSS_DIR, in their order, to
 * POWER_LOSS_LOG. test_power_loss.py replays the log up to any point, without some of what had not been synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 1024 };
static char paths[FILES][PATH_MAX];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

struct entry {
    uint32_t operation; /* 'w' write, 's' sync, 't' truncate, 'u' unlink */
    uint32_t path_bytes;
    uint64_t offset;
    uint64_t data_bytes;
};

static const char *path_of(int fd) { return fd >= 0 && fd < FILES && paths[fd][0] ? paths[fd] : NULL; }

static void note(int fd, uint32_t operation, uint64_t offset, const void *data, uint64_t bytes) {
    static int log_fd = -1;
    const char *path = path_of(fd);
    if (path == NULL)
        return;
    if (log_fd < 0)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("POWER_LOSS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct entry head = {operation, (uint32_t)strlen(path), offset, bytes};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path_bytes}, {(void *)data, bytes}};
    syscall(SYS_writev, log_fd, parts, 3);
}

static int opened(int fd, const char *path) {
    const char *below = getenv("POWER_LOSS_DIR");
    if (fd >= 0 && fd < FILES) {
        paths[fd][0] = 0;
        if (below != NULL && strncmp(path, below, strlen(below)) == 0)
            snprintf(paths[fd], PATH_MAX, "%s", path);
    }
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode), path);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}

int close(int fd) {
    if (fd >= 0 && fd < FILES)
        paths[fd][0] = 0;
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    pthread_mutex_lock(&one_at_a_time);
    ssize_t done = syscall(SYS_pwrite64, fd, data, bytes, offset);
    if (done > 0)
        note(fd, 'w', (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) { return pwrite64(fd, data, bytes, offset); }

ssize_t write(int fd, const void *data, size_t bytes) {
    pthread_mutex_lock(&one_at_a_time);
    int64_t offset = path_of(fd) != NULL ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, fd, data, bytes);
    if (done > 0)
        note(fd, 'w', (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

int ftruncate64(int fd, off64_t length) {
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0)
        note(fd, 't', (uint64_t)length, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(long call, int fd) {
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(call, fd);
    if (done == 0)
        note(fd, 's', 0, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

int unlink(const char *path) {
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(SYS_unlink, path);
    if (done == 0) {
        int fd = opened(FILES - 1, path);
        note(fd, 'u', 0, "", 0);
        paths[fd][0] = 0;
    }
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }
