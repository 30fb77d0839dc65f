// libavformat, libavcodec, libswscale: the macros that Swift cannot import, as functions.
#ifndef CAVFORMAT_SHIM_H
#define CAVFORMAT_SHIM_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libswscale/swscale.h>

static inline int cavformat_error(int errno_value) { return AVERROR(errno_value); }
static inline int cavformat_end_of_file(void) { return AVERROR_EOF; }
static inline int cavformat_exit(void) { return AVERROR_EXIT; }
static inline int cavformat_again(void) { return AVERROR(EAGAIN); }
static inline int64_t cavformat_no_time(void) { return AV_NOPTS_VALUE; }

#endif
