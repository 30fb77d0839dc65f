// libexif: Exif data in memory. Nothing that Swift cannot import is used.
#ifndef CEXIF_SHIM_H
#define CEXIF_SHIM_H

#include <libexif/exif-data.h>

#endif
