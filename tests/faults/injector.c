/* Faults of the operating system, on purpose: the Nth call that changes a file below a folder fails,
 * does a part of its work, or never returns because the process is killed.
 *
 *     cc -shared -fPIC -o injector.so injector.c -ldl
 *     LD_PRELOAD=./injector.so python -m tests.faults.injected
 *
 * fault_arm(folder, n, kind) begins to count; kind is what kill(2) or errno has, see below.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE = 0, KILL = -1, SHORT = -2 }; /* above 0: an errno, which EINTR fails once with */

static char folder[4096];
static long wanted = 0, count = 0;
static int kind = NONE, lasting = 0;

void fault_arm(const char *below, long n, int what, int lasts) {
    strncpy(folder, below, sizeof folder - 1);
    count = 0;
    wanted = n;
    kind = what;
    lasting = lasts;
}
long fault_disarm(void) {
    folder[0] = 0;
    return count;
}

static int is_below(const char *path) {
    return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0;
}
static int is_fd_below(int fd) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path);
}
/* 0: as it is; an errno; SHORT: do a part of it. Kills the process where that is asked for. */
static int fault(void) {
    long now = __sync_add_and_fetch(&count, 1);
    if (!wanted || now < wanted || (now > wanted && !lasting)) return 0;
    if (kind == KILL) kill(getpid(), SIGKILL);
    return kind;
}
static int fails(int what) {
    if (what <= 0) return 0;
    errno = what;
    return 1;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    if (!is_fd_below(fd)) return real(fd, data, n);
    int what = fault();
    if (fails(what)) return -1;
    return real(fd, data, what == SHORT && n > 1 ? n / 2 : n);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(pwrite64);
    if (!is_fd_below(fd)) return real(fd, data, n, at);
    int what = fault();
    if (fails(what)) return -1;
    return real(fd, data, what == SHORT && n > 1 ? n / 2 : n, at);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return pwrite64(fd, data, n, at); }
static ssize_t part_of(int fd, const struct iovec *pieces, int n, off64_t at, int has_place) {
    size_t half = pieces[0].iov_len > 1 ? pieces[0].iov_len / 2 : pieces[0].iov_len;
    (void)n;
    if (has_place) {
        REAL(pwrite64);
        return real(fd, pieces[0].iov_base, half, at);
    }
    REAL(write);
    return real(fd, pieces[0].iov_base, half);
}
ssize_t writev(int fd, const struct iovec *pieces, int n) {
    REAL(writev);
    if (!is_fd_below(fd)) return real(fd, pieces, n);
    int what = fault();
    if (fails(what)) return -1;
    return what == SHORT ? part_of(fd, pieces, n, 0, 0) : real(fd, pieces, n);
}
ssize_t pwritev64(int fd, const struct iovec *pieces, int n, off64_t at) {
    REAL(pwritev64);
    if (!is_fd_below(fd)) return real(fd, pieces, n, at);
    int what = fault();
    if (fails(what)) return -1;
    return what == SHORT ? part_of(fd, pieces, n, at, 1) : real(fd, pieces, n, at);
}
ssize_t pwritev(int fd, const struct iovec *pieces, int n, off_t at) {
    return pwritev64(fd, pieces, n, at);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    if (!is_fd_below(fd)) return real(fd, size);
    return fails(fault()) ? -1 : real(fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fsync(int fd) {
    REAL(fsync);
    if (!is_fd_below(fd)) return real(fd);
    return fails(fault()) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    if (!is_fd_below(fd)) return real(fd);
    return fails(fault()) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    if (!is_below(to)) return real(from, to);
    return fails(fault()) ? -1 : real(from, to);
}
int renameat(int fd, const char *from, int to_fd, const char *to) {
    REAL(renameat);
    if (!is_below(to)) return real(fd, from, to_fd, to);
    return fails(fault()) ? -1 : real(fd, from, to_fd, to);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (!is_below(path)) return real(path, mode);
    return fails(fault()) ? -1 : real(path, mode);
}
static int opens(const char *path, int flags) { return (flags & O_CREAT) && is_below(path); }
int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (opens(path, flags) && fails(fault())) return -1;
    return real(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open64(path, flags, mode);
}
/* A network disk reports here what it could not write. The file is closed all the same. */
int close(int fd) {
    REAL(close);
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || (flags & O_ACCMODE) == O_RDONLY || !is_fd_below(fd)) return real(fd);
    int what = fault();
    int done = real(fd);
    return what > 0 && what != EINTR && fails(what) ? -1 : done;
}
