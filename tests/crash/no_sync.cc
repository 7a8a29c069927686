// Sync switched off: preloaded into the relay (LD_PRELOAD), every call that makes bytes certain
// does nothing and says that it did. The control of the crash tests: with it they must fail.
#include <fcntl.h>
#include <sys/types.h>

extern "C" {

int fsync(int /*fd*/) { return 0; }
int fdatasync(int /*fd*/) { return 0; }
int syncfs(int /*fd*/) noexcept { return 0; }
void sync() noexcept {}
int sync_file_range(int /*fd*/, off64_t /*offset*/, off64_t /*bytes*/, unsigned int /*flags*/) {
    return 0;
}

}  // extern "C"
