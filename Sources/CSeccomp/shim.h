// libseccomp: system call filters. Its rules are variadic macros, so here are functions.
#ifndef CSECCOMP_SHIM_H
#define CSECCOMP_SHIM_H

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

// SCMP_ACT_ERRNO: the call fails with `code`.
static inline uint32_t cseccomp_refuse(int code) { return SCMP_ACT_ERRNO(code); }

#endif
