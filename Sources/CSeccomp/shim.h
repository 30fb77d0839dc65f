// libseccomp: system call filters. Its rules are variadic macros, so here are functions.
#ifndef CSECCOMP_SHIM_H
#define CSECCOMP_SHIM_H

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

#endif
