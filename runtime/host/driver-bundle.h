/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Driver bundles as files: an EROFS image, which the guest mounts, with the manifest behind it.
 *
 *   EROFS image        a multiple of 4096 bytes
 *   manifest           JSON (common/protocol/driver.h)
 *   zeros              up to 40 bytes before a multiple of 4096
 *   footer             40 bytes: length of the image (8), of the manifest (4), CRC-32 of the image (4), of the manifest
 *                      (4), zeros (4), DRIVER_MAGIC (16); numbers are little endian
 *
 * So the host needs to read no file system to know what a bundle is, and there is one manifest only: the guest is told
 * the one that was checked. For EROFS what is behind the image is not there.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/protocol/driver.h"
#include "runtime/config.h"
#include "runtime/host/kernel-format.h"
#include "runtime/plan/facts.h"

#define DRIVER_MAGIC       "carrel-driver\r\n\x1a" /* 16 bytes */
#define DRIVER_BLOCK       4096U
#define DRIVER_FOOTER      40U
#define DRIVER_SUFFIX      ".erofs"
#define DRIVER_IMAGE_MAX   (64ULL << 30)
#define DRIVER_BUNDLES_MAX 256U

/* Reads and checks the manifest, and that there is an EROFS image before it, of which nothing more is read: a guest must
 * not wait for a checksum of hundreds of megabytes. Errors do not name the file. */
int driver_bundle_parse(const ByteSource *source, DriverManifest **ret, uint64_t *ret_image, Error *err);
/* The same of a file; the error begins with PATH. RET_IMAGE (may be NULL): length of the image. */
int driver_bundle_read(int dir, const char *path, DriverManifest **ret, uint64_t *ret_image, Error *err);

/* Reads the image, whose checksum must be that of the footer; -EBADMSG if it is not. Errors begin with PATH. */
int driver_bundle_check_image(int dir, const char *path, Error *err);

/* Appends manifest and footer to the image in FD, which can be read, and whose length is a multiple of 4096. */
int driver_bundle_finish(int fd, const DriverManifest *manifest, Error *err);

/* The bundles of driverPath and of carrel's data folder, by name; a name of the former hides that of the latter. What
 * cannot be used is left out and said in *ret_problems (Strv). *ret_n of them, owned by the caller. */
void driver_bundles_list(const RuntimeConfig *config, DriverFact **ret, size_t *ret_n, char ***ret_problems);
void driver_facts_free(DriverFact *facts, size_t n);
