// What the Glibc module does not import: descriptor passing (macros), file leases and renameat2 (behind _GNU_SOURCE),
// fstatfs, Landlock.
#ifndef CLINUX_SHIM_H
#define CLINUX_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <malloc.h>
#include <stdint.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

// fcntl(2) with F_SETLEASE; `kind` is F_RDLCK or F_UNLCK. Returns 0, or an errno value.
static inline int clinux_set_lease(int descriptor, int kind) {
    const int set_lease = 1024;  // F_SETLEASE, <bits/fcntl-linux.h>
    return fcntl(descriptor, set_lease, kind) == 0 ? 0 : errno;
}

// fstatfs(2), `f_type`: the magic number of the file system that `descriptor` is on; 0 where it cannot be told.
static inline unsigned int clinux_file_system_magic(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (unsigned int)status.f_type : 0;
}

// mallopt(3): blocks of `bytes` and more are mapped one by one and given back to the kernel when they are freed; at
// most `arenas` heaps for all threads.
static inline void clinux_bound_heap(int bytes, int arenas) {
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_ARENA_MAX, arenas);
}

// renameat2(2) of two absolute paths with RENAME_NOREPLACE. Returns 0, or an errno value; EINVAL where the file system
// does not know the flag.
static inline int clinux_rename_new(const char *from, const char *to) {
    const unsigned int no_replace = 1;  // RENAME_NOREPLACE, <linux/fs.h>
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, no_replace) == 0 ? 0 : errno;
}

// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: dirty pages of the span begin to go to the medium. A hint.
static inline void clinux_begin_write_back(int descriptor, int64_t offset, int64_t length) {
    const unsigned int write = 2;  // SYNC_FILE_RANGE_WRITE, <linux/fs.h>
    syscall(SYS_sync_file_range, descriptor, offset, length, write);
}

// syncfs(2) of the file system that `descriptor` is on. Returns 0, or an errno value.
static inline int clinux_sync_file_system(int descriptor) {
    return syscall(SYS_syncfs, descriptor) == 0 ? 0 : errno;
}

// fcntl(2) F_SETFL: O_DIRECT of an open file, on or off. Returns 0, or an errno value; EINVAL where the file system has
// no such reading.
static inline int clinux_set_direct(int descriptor, int is_direct) {
#if defined(__aarch64__)
    const int direct = 0x10000;  // O_DIRECT, <asm/fcntl.h>
#else
    const int direct = 0x4000;  // O_DIRECT, <asm-generic/fcntl.h>
#endif
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return errno;
    return fcntl(descriptor, F_SETFL, is_direct ? flags | direct : flags & ~direct) == 0 ? 0 : errno;
}

// statx(2) with STATX_DIOALIGN, Linux 6.1: the alignment in bytes that O_DIRECT needs of memory and of offsets, 0 where
// the file cannot be read so; both stay as they are where the file system does not say.
static inline void clinux_direct_alignment(int descriptor, unsigned int *memory, unsigned int *offset) {
    struct {
        uint32_t mask;
        uint8_t fields[148];
        uint32_t memory, offset;
        uint8_t rest[96];
    } status;
    _Static_assert(sizeof status == 256, "struct statx, <linux/stat.h>");
    const unsigned int dioalign = 0x2000;  // STATX_DIOALIGN
    const int empty_path = 0x1000;         // AT_EMPTY_PATH
    if (syscall(SYS_statx, descriptor, "", empty_path, dioalign, &status) != 0 || !(status.mask & dioalign)) return;
    *memory = status.memory;
    *offset = status.offset;
}

// cachestat(2), Linux 6.5: how many pages of the span (length 0: to the end) are in the page cache. Returns 0, or an
// errno value.
static inline int clinux_cached_pages(int descriptor, uint64_t offset, uint64_t length, uint64_t *pages) {
    const long cachestat = 451;  // SYS_cachestat; the same on all architectures
    struct {
        uint64_t offset, length;
    } span = {offset, length};
    struct {
        uint64_t cached, dirty, writing, evicted, recently_evicted;
    } result = {0};
    if (syscall(cachestat, descriptor, &span, &result, 0) != 0) return errno;
    *pages = result.cached;
    return 0;
}

// mincore(2) of a mapping of the span, which nobody reads through: how many of its pages are in the page cache; offset and
// length are whole pages. Where the kernel does not tell this caller, all. Returns 0, or an errno value.
static inline int clinux_mapped_pages(int descriptor, uint64_t offset, uint64_t length, uint64_t *pages) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char resident[4096];
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, (off_t)offset);
    if (map == MAP_FAILED) return errno;
    int code = 0;
    *pages = 0;
    for (size_t at = 0; at < length && code == 0; at += sizeof resident * page) {
        size_t span = length - at < sizeof resident * page ? length - at : sizeof resident * page;
        if (mincore((char *)map + at, span, resident) != 0) {
            code = errno;
            break;
        }
        for (size_t index = 0; index < (span + page - 1) / page; index++) *pages += resident[index] & 1;
    }
    munmap(map, length);
    return code;
}

// ioctl(2) BLKFLSBUF: the page cache of a block device is written back and emptied. Returns 0, or an errno value.
static inline int clinux_flush_block_device(int descriptor) {
    const unsigned long flush = 0x1261;  // BLKFLSBUF, <linux/fs.h>
    return ioctl(descriptor, flush, 0) == 0 ? 0 : errno;
}

// sendmsg(2) of `length` bytes with one descriptor (SCM_RIGHTS, unix(7)), or none when it is negative. The call is
// on a SOCK_SEQPACKET socket: all of it goes, or nothing. Returns 0, or an errno value.
static inline int clinux_send_message(int socket, const void *bytes, size_t length, int descriptor) {
    struct iovec span = {.iov_base = (void *)bytes, .iov_len = length};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct msghdr message = {.msg_iov = &span, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (descriptor >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)length ? 0 : sent < 0 ? errno : EMSGSIZE;
}

// recvmsg(2) of one message of at most `capacity` bytes. `*length` is its length, 0 at the end of the connection;
// `*descriptor` the descriptor that came with it (close-on-exec), or -1. Returns 0, or an errno value; EMSGSIZE
// when the message was longer than `capacity`.
static inline int clinux_receive_message(int socket, void *bytes, size_t capacity, size_t *length, int *descriptor) {
    struct iovec span = {.iov_base = bytes, .iov_len = capacity};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct msghdr message = {.msg_iov = &span, .msg_iovlen = 1};
    message.msg_control = control.space;
    // Not the whole of the space: rounded up it holds two descriptors, and the second would have no owner. The kernel
    // closes what does not fit.
    message.msg_controllen = CMSG_LEN(sizeof(int));
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    *descriptor = -1;
    *length = 0;
    if (received < 0) return errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    if (message.msg_flags & MSG_TRUNC) {
        if (*descriptor >= 0) close(*descriptor);
        *descriptor = -1;
        return EMSGSIZE;
    }
    *length = (size_t)received;
    return 0;
}

// prctl(2) PR_SET_NO_NEW_PRIVS, which is variadic. Returns 0, or an errno value.
static inline int clinux_forbid_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

// prctl(2) PR_CAP_AMBIENT, which is variadic: what this thread starts gets none of its capabilities, capabilities(7). Fails
// only where the kernel knows no ambient ones.
static inline void clinux_clear_ambient_capabilities(void) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

// capset(2) and prctl(2) PR_CAP_AMBIENT: no capability is left, nor can be taken up again. Returns 0, or an errno value.
static inline int clinux_drop_capabilities(void) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct {
        uint32_t version;
        int process;
    } header = {0x20080522, 0};  // _LINUX_CAPABILITY_VERSION_3, <linux/capability.h>
    const uint32_t none[6] = {0};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION: the version of the rules this kernel has, 0 where it
// has none.
static inline int clinux_landlock_version(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u << 0);
    return version > 0 ? (int)version : 0;
}

// landlock_restrict_self(2) with a ruleset that handles everything that rules of `version` can and allows none of it:
// no file is opened, made, removed or executed by any name; no TCP port is bound or connected; no abstract socket is
// reached and no signal sent to a process outside. The process must have PR_SET_NO_NEW_PRIVS. Returns 0, or an errno
// value. The struct and the bits are those of <linux/landlock.h> of Linux 6.12, which older headers have in part only.
static inline int clinux_forbid_everything_named(int version) {
    struct {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
    } rules = {0};
    const int file_bits = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;
    rules.handled_access_fs = (1ull << file_bits) - 1;
    if (version >= 4) rules.handled_access_net = (1ull << 2) - 1;
    if (version >= 6) rules.scoped = (1ull << 2) - 1;
    const size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (ruleset < 0) return errno;
    int code = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
    close(ruleset);
    return code;
}

// adjtimex(2) that changes nothing: 1 where the clock is synchronised, 0 where not (TIME_ERROR), -1 where the kernel refuses.
static inline int clinux_clock_is_synchronised(void) {
    struct timex state = {.modes = 0};
    int result = adjtimex(&state);
    return result < 0 ? -1 : result == TIME_ERROR ? 0 : 1;
}

// posix_spawn_file_actions_addclosefrom_np(3), glibc 2.34: the child closes every descriptor from `first` on. Returns 0,
// or an errno value.
static inline int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

// unshare(2) with CLONE_FILES: the calling thread gets a table of descriptors of its own, a copy in which only the
// standard ones and `kept` stay open, close_range(2). Returns 0, or an errno value: the table is then the process's.
static inline int clinux_own_descriptors(unsigned int kept) {
    const int files = 0x400;  // CLONE_FILES, <linux/sched.h>
    if (syscall(SYS_unshare, files) != 0) return errno;
    if (kept > 3) syscall(SYS_close_range, 3u, kept - 1, 0);
    syscall(SYS_close_range, kept + 1, ~0u, 0);
    return 0;
}

// pidfd_open(2): a descriptor, close-on-exec, that is readable when the child `process` has ended; -1 where the kernel
// refuses.
static inline int clinux_open_process(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

// socket(2) and bind(2) of a socket that hears the kernel's own messages about devices (netlink(7),
// NETLINK_KOBJECT_UEVENT, group 1; group 2 is udev's). Close-on-exec, does not wait. Returns the descriptor, or a
// negated errno value.
static inline int clinux_open_kernel_events(void) {
    int number = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (number < 0) return -errno;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    if (bind(number, (struct sockaddr *)&address, sizeof address) == 0) return number;
    int code = errno;
    close(number);
    return -code;
}

// recvfrom(2) on such a socket; `*is_kernel` tells whether the kernel sent it: its messages come from port 0, which no
// process can have. Returns the number of bytes, or a negated errno value.
static inline long clinux_receive_kernel_event(int socket, void *bytes, size_t capacity, int *is_kernel) {
    struct sockaddr_nl sender = {0};
    socklen_t length = sizeof sender;
    ssize_t count = recvfrom(socket, bytes, capacity, MSG_TRUNC, (struct sockaddr *)&sender, &length);
    if (count < 0) return -errno;
    *is_kernel = length == sizeof sender && sender.nl_family == AF_NETLINK && sender.nl_pid == 0;
    return count > (ssize_t)capacity ? -EMSGSIZE : count;
}

#endif
