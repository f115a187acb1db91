// Loaded into the gateway (LD_PRELOAD): its wall clock obeys a file, the monotonic one does not.
//
// The file that CLOCK_FILE names holds three numbers: by how many seconds the wall clock is off, how many readings of it
// pass, and how many after those fail, which the standard library answers with a panic.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct orders {
    int64_t offset;
    int64_t good;
    int64_t failures;
};

static struct orders *orders;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int file = open(getenv("CLOCK_FILE"), O_RDWR);
    void *page = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) orders = page;
    close(file);
}

// Whether one was left.
static int take(int64_t *count) {
    int64_t left = __atomic_load_n(count, __ATOMIC_SEQ_CST);
    return left > 0 && __atomic_compare_exchange_n(count, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock == CLOCK_REALTIME && orders) {
        if (!take(&orders->good) && take(&orders->failures)) {
            errno = EINVAL;
            return -1;
        }
    }
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME && orders) time->tv_sec += __atomic_load_n(&orders->offset, __ATOMIC_SEQ_CST);
    return result;
}
