/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program does with a display device, by ioctls of the kernel's DRM interface and nothing else, so that it runs in
 * any image:
 *
 *   drm-show name NODE     its driver's name (of /dev/dri/card* or renderD*)
 *   drm-show show CARD     a picture in a buffer of the driver's, on the first screen that is connected; says what it
 *                          found, a line each, ends with "shown", and leaves the picture there until it is killed
 *   drm-show expect W H    that picture as a file (PPM), to compare what the screen shows
 *
 * The structures and numbers are those of include/uapi/drm/drm.h and drm_mode.h.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Version {
        int32_t major, minor, patch;
        size_t name_size;
        char *name;
        size_t date_size;
        char *date;
        size_t description_size;
        char *description;
} Version;

typedef struct Mode {
        uint32_t clock;
        uint16_t width, hsync_start, hsync_end, htotal, hskew;
        uint16_t height, vsync_start, vsync_end, vtotal, vscan;
        uint32_t refresh, flags, type;
        char name[32];
} Mode;

typedef struct Resources {
        uint64_t framebuffers, crtcs, connectors, encoders; /* addresses of arrays of ids */
        uint32_t n_framebuffers, n_crtcs, n_connectors, n_encoders;
        uint32_t min_width, max_width, min_height, max_height;
} Resources;

typedef struct Connector {
        uint64_t encoders, modes, properties, values; /* addresses of arrays */
        uint32_t n_modes, n_properties, n_encoders;
        uint32_t encoder, id, type, type_id, connection, mm_width, mm_height, subpixel, padding;
} Connector;

typedef struct Property {
        uint64_t values, enums;
        uint32_t id, flags;
        char name[32];
        uint32_t n_values, n_enums;
} Property;

typedef struct Blob {
        uint32_t id, size;
        uint64_t data;
} Blob;

typedef struct Framebuffer {
        uint32_t id, width, height, pitch, bpp, depth, handle;
} Framebuffer;

typedef struct Crtc {
        uint64_t connectors;
        uint32_t n_connectors, id, framebuffer, x, y, gamma_size, mode_valid;
        Mode mode;
} Crtc;

typedef struct Dirty {
        uint32_t framebuffer, flags, color, n_clips;
        uint64_t clips;
} Dirty;

typedef struct CreateDumb {
        uint32_t height, width, bpp, flags, handle, pitch;
        uint64_t size;
} CreateDumb;

typedef struct MapDumb {
        uint32_t handle, padding;
        uint64_t offset;
} MapDumb;

#define GET_VERSION   _IOWR('d', 0x00, Version)
#define GET_RESOURCES _IOWR('d', 0xA0, Resources)
#define SET_CRTC      _IOWR('d', 0xA2, Crtc)
#define GET_CONNECTOR _IOWR('d', 0xA7, Connector)
#define GET_PROPERTY  _IOWR('d', 0xAA, Property)
#define GET_BLOB      _IOWR('d', 0xAC, Blob)
#define ADD_FB        _IOWR('d', 0xAE, Framebuffer)
#define DIRTY_FB      _IOWR('d', 0xB1, Dirty)
#define CREATE_DUMB   _IOWR('d', 0xB2, CreateDumb)
#define MAP_DUMB      _IOWR('d', 0xB3, MapDumb)

#define CONNECTED 1U
#define MANY      64U /* ids, modes: more are left out */

/* A screen, the buffer on it, and the driver's node. */
typedef struct Screen {
        int fd;
        uint32_t connector, crtc;
        Mode mode;
        CreateDumb buffer;
        uint8_t *pixels;
} Screen;

static void ask(int fd, unsigned long request, void *argument, const char *what) {
        if (ioctl(fd, request, argument) < 0)
                err(1, "%s", what);
}

static int open_node(const char *path) {
        char name[64] = "";
        Version version = { .name = name, .name_size = sizeof(name) - 1 };
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                err(1, "%s", path);
        ask(fd, GET_VERSION, &version, "version");
        printf("driver %s\n", name);
        return fd;
}

/* A monitor describes itself (VESA E-EDID): eight fixed bytes, three letters of five bits each. The driver has what the
 * device wrote into the guest's memory. */
static void print_edid(int fd, const Connector *c) {
        for (uint32_t i = 0; i < c->n_properties && i < MANY; i++) {
                Property p = { .id = ((uint32_t *)(uintptr_t)c->properties)[i] };
                uint8_t data[256] = { 0 };
                Blob blob = { .id = (uint32_t)((uint64_t *)(uintptr_t)c->values)[i],
                              .size = sizeof(data),
                              .data = (uintptr_t)data };
                unsigned vendor;

                ask(fd, GET_PROPERTY, &p, "property");
                if (strcmp(p.name, "EDID") != 0 || blob.id == 0)
                        continue;
                ask(fd, GET_BLOB, &blob, "EDID");
                if (memcmp(data, "\0\xff\xff\xff\xff\xff\xff", 8) != 0)
                        errx(1, "EDID: not one");
                vendor = (unsigned)data[8] << 8 | data[9];
                printf("monitor %c%c%c\n", '@' + (vendor >> 10 & 31), '@' + (vendor >> 5 & 31),
                       '@' + (vendor & 31));
        }
}

static void find_screen(Screen *s) {
        uint32_t crtcs[MANY], connectors[MANY];
        Resources r = { .crtcs = (uintptr_t)crtcs,
                        .connectors = (uintptr_t)connectors,
                        .n_crtcs = MANY,
                        .n_connectors = MANY };

        ask(s->fd, GET_RESOURCES, &r, "resources");
        for (uint32_t i = 0; i < r.n_connectors && i < MANY; i++) {
                Mode modes[MANY] = { 0 };
                uint32_t properties[MANY];
                uint64_t values[MANY];
                Connector c = { .id = connectors[i] };

                /* with no room for modes it looks which there are */
                ask(s->fd, GET_CONNECTOR, &c, "connector");
                if (c.connection != CONNECTED || c.n_modes == 0 || c.n_modes > MANY || c.n_properties > MANY)
                        continue;
                c = (Connector){ .id = connectors[i],
                                 .modes = (uintptr_t)modes,
                                 .n_modes = c.n_modes,
                                 .properties = (uintptr_t)properties,
                                 .values = (uintptr_t)values,
                                 .n_properties = c.n_properties };
                ask(s->fd, GET_CONNECTOR, &c, "connector");
                print_edid(s->fd, &c);
                s->connector = c.id;
                s->crtc = crtcs[0];
                s->mode = modes[0];
                return;
        }
        errx(1, "no screen is connected");
}

static uint32_t pixel(uint32_t x, uint32_t y) {
        return ((x * 7 + y * 3) & 0xff) << 16 | ((x ^ y) & 0xff) << 8 | ((x * y + 11) >> 3 & 0xff);
}

static uint32_t *row(const Screen *s, uint32_t y) {
        return (uint32_t *)(void *)(s->pixels + (size_t)y * s->buffer.pitch);
}

static void make_buffer(Screen *s) {
        MapDumb map;

        s->buffer = (CreateDumb){ .width = s->mode.width, .height = s->mode.height, .bpp = 32 };
        ask(s->fd, CREATE_DUMB, &s->buffer, "making a buffer");
        map = (MapDumb){ .handle = s->buffer.handle };
        ask(s->fd, MAP_DUMB, &map, "mapping the buffer");
        s->pixels = mmap(NULL, s->buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)map.offset);
        if (s->pixels == MAP_FAILED)
                err(1, "mapping the buffer");
}

static void put_on_screen(Screen *s) {
        Framebuffer fb = { .width = s->buffer.width,
                           .height = s->buffer.height,
                           .pitch = s->buffer.pitch,
                           .bpp = 32,
                           .depth = 24,
                           .handle = s->buffer.handle };
        Crtc crtc = { .connectors = (uintptr_t)&s->connector,
                      .n_connectors = 1,
                      .id = s->crtc,
                      .mode_valid = 1,
                      .mode = s->mode };
        Dirty dirty = { 0 };

        ask(s->fd, ADD_FB, &fb, "framebuffer");
        crtc.framebuffer = fb.id;
        ask(s->fd, SET_CRTC, &crtc, "setting the mode");
        /* only now: the device has to come for it again */
        for (uint32_t y = 0; y < s->buffer.height; y++)
                for (uint32_t x = 0; x < s->buffer.width; x++)
                        row(s, y)[x] = pixel(x, y);
        for (uint32_t y = 0; y < s->buffer.height; y++)
                for (uint32_t x = 0; x < s->buffer.width; x++)
                        if (row(s, y)[x] != pixel(x, y))
                                errx(1, "the buffer reads back as %#x at %u,%u", row(s, y)[x], x, y);
        printf("buffer %ux%u reads back as written\n", s->buffer.width, s->buffer.height);
        dirty.framebuffer = fb.id;
        /* a driver whose buffers are in the device's own memory has nothing to hand over */
        if (ioctl(s->fd, DIRTY_FB, &dirty) < 0 && errno != ENOSYS)
                err(1, "handing it to the device");
}

static void show(const char *path) {
        Screen s = { .fd = open_node(path) };

        find_screen(&s);
        printf("screen %ux%u\n", s.mode.width, s.mode.height);
        make_buffer(&s);
        put_on_screen(&s);
        printf("shown\n");
        fflush(stdout);
        for (;;)
                pause();
}

static void expect(uint32_t width, uint32_t height) {
        printf("P6\n%u %u\n255\n", width, height);
        for (uint32_t y = 0; y < height; y++)
                for (uint32_t x = 0; x < width; x++) {
                        uint32_t p = pixel(x, y);

                        putchar((int)(p >> 16));
                        putchar((int)(p >> 8 & 0xff));
                        putchar((int)(p & 0xff));
                }
}

int main(int argc, char **argv) {
        if (argc == 3 && strcmp(argv[1], "name") == 0)
                close(open_node(argv[2]));
        else if (argc == 3 && strcmp(argv[1], "show") == 0)
                show(argv[2]);
        else if (argc == 4 && strcmp(argv[1], "expect") == 0)
                expect((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
        else
                errx(2, "usage: drm-show name NODE | show CARD | expect WIDTH HEIGHT");
        return fflush(stdout) ? 1 : 0;
}
