// s3sink: the cheapest S3-like server, to measure what an uploader itself costs.
// It speaks enough of S3 for one uploader (PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, Abort,
// ListParts, ListMultipartUploads (empty), HEAD with size, ETag and metadata, HEAD/PUT/GET of a bucket) and checks
// nothing but the signed SHA-256 of bodies up to 4 KiB, so that it passes for a store that checks it: no signature.
// Bodies are thrown away inside the kernel (recv with MSG_TRUNC: not even copied to user space), or kept with splice (-s).
//   cc -O2 -pthread -o s3sink s3sink.c -lcrypto
//   s3sink [-p PORT] [-s DIR] [-l MS] [-e N] [-r BYTES] [-P FILE] [-c CERT -k KEY]
//     -p PORT    listen on 127.0.0.1:PORT (19500)
//     -s DIR     keep the bodies: DIR/<upload>.<part> per part, DIR/<n>.put per PUT
//     -l MS      answer every PUT MS milliseconds late (a network's round trip)
//     -e N       answer every N-th body with 503 SlowDown (a retry test)
//     -r BYTES   read at most BYTES per second per connection
//     -P FILE    write the pid to FILE once the socket listens
//     -c CERT -k KEY   HTTPS (TLS 1.2/1.3; build with -DTLS ... -lssl -lcrypto); bodies are decrypted into one small
//                buffer and dropped
// A part's ETag is the Content-MD5 of the request if there is one, else a number; the ETag of a completed upload is the
// MD5 of the parts' MD5s with "-N" behind it. The last 8,192 objects are known to HEAD. SIGUSR1 prints counts.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
static SSL_CTX *ctx;
#else
typedef void SSL;
#endif
static const char *cert, *pkey;

static int port = 19500, late_ms, fail_every;
static long rate;
static const char *save_dir, *pid_file;
static atomic_ullong n_bytes, n_req, n_body, n_conn, n_upload;

// ---- MD5 (RFC 1321), for the final ETag of an upload only ----
static void md5(const uint8_t *in, size_t n, uint8_t out[16]) {
    static const uint8_t R[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    static uint32_t K[64];
    if (!K[63])
        for (int i = 0; i < 64; i++) { // floor(2^32 * |sin(i+1)|), without libm
            double x = i + 1, t, s;
            while (x > 3.14159265358979323846)
                x -= 3.14159265358979323846;
            t = x;
            s = x;
            for (int k = 1; k < 20; k++) {
                t *= -x * x / ((2 * k) * (2 * k + 1));
                s += t;
            }
            K[i] = (uint32_t)((s < 0 ? -s : s) * 4294967296.0);
        }
    uint32_t h[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    size_t total = (n + 8) / 64 * 64 + 64;
    uint8_t *m = calloc(1, total);
    memcpy(m, in, n);
    m[n] = 0x80;
    uint64_t bits = (uint64_t)n * 8;
    memcpy(m + total - 8, &bits, 8);
    for (size_t o = 0; o < total; o += 64) {
        uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3];
        memcpy(w, m + o, 64);
        for (int i = 0; i < 64; i++) {
            uint32_t f;
            int g;
            if (i < 16)
                f = (b & c) | (~b & d), g = i;
            else if (i < 32)
                f = (d & b) | (~d & c), g = (5 * i + 1) & 15;
            else if (i < 48)
                f = b ^ c ^ d, g = (3 * i + 5) & 15;
            else
                f = c ^ (b | ~d), g = (7 * i) & 15;
            uint32_t t = d;
            d = c;
            c = b;
            f += a + K[i] + w[g];
            a = t;
            int r = R[(i >> 4) * 4 + (i & 3)];
            b += f << r | f >> (32 - r);
        }
        h[0] += a;
        h[1] += b;
        h[2] += c;
        h[3] += d;
    }
    free(m);
    memcpy(out, h, 16);
}

// ---- uploads ----
#define MAXPART 10001
struct upload {
    unsigned id;
    int open;
    uint8_t (*etag)[16];
    int64_t *size;
    char *meta;
};
static struct upload *ups;
static unsigned n_ups;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static unsigned up_new(const char *meta) {
    pthread_mutex_lock(&mu);
    ups = realloc(ups, (n_ups + 1) * sizeof *ups);
    ups[n_ups] = (struct upload){n_ups, 1, calloc(MAXPART, 16), calloc(MAXPART, sizeof(int64_t)), strdup(meta)};
    for (int i = 0; i < MAXPART; i++)
        ups[n_ups].size[i] = -1;
    unsigned r = n_ups++;
    pthread_mutex_unlock(&mu);
    n_upload++;
    return r;
}

// ---- the last objects, for HEAD ----
#define NOBJ 8192
#define META 2048
static struct obj {
    char *path, *meta;
    int64_t size;
    char etag[48];
} objs[NOBJ];
static uint32_t obj_hash[NOBJ]; // of each path, 0 for none: 32 KiB are looked through instead of 8,192 paths
static unsigned n_obj;
static uint32_t hash_of(const char *path) { // FNV-1a
    uint32_t h = 2166136261u;
    while (*path)
        h = (h ^ (uint8_t)*path++) * 16777619u;
    return h ? h : 1;
}
static unsigned obj_find(const char *path, uint32_t hash) { // NOBJ where it is not there; the lock is held
    unsigned i = 0;
    while (i < NOBJ && !(obj_hash[i] == hash && !strcmp(objs[i].path, path)))
        i++;
    return i;
}
static void obj_put(const char *path, int64_t size, const char *etag, const char *meta) {
    uint32_t hash = hash_of(path);
    pthread_mutex_lock(&mu);
    unsigned i = obj_find(path, hash);
    if (i == NOBJ) {
        i = n_obj++ % NOBJ;
        free(objs[i].path);
        objs[i].path = strdup(path);
        obj_hash[i] = hash;
    }
    free(objs[i].meta);
    objs[i].meta = strdup(meta);
    objs[i].size = size;
    snprintf(objs[i].etag, sizeof objs[i].etag, "%s", etag);
    pthread_mutex_unlock(&mu);
}
static int64_t obj_get(const char *path, char etag[48], char meta[META]) {
    int64_t r = -1;
    pthread_mutex_lock(&mu);
    unsigned i = obj_find(path, hash_of(path));
    if (i < NOBJ) {
        r = objs[i].size;
        strcpy(etag, objs[i].etag);
        strcpy(meta, objs[i].meta);
    }
    pthread_mutex_unlock(&mu);
    return r;
}

// ---- buffers ----
struct buf {
    char *p;
    size_t n, cap;
};
static void out(struct buf *b, const char *f, ...) __attribute__((format(printf, 2, 3)));
#include <stdarg.h>
static void out(struct buf *b, const char *f, ...) {
    va_list a;
    va_start(a, f);
    va_list a2;
    va_copy(a2, a);
    int k = vsnprintf(NULL, 0, f, a);
    va_end(a);
    if (b->n + k + 1 > b->cap)
        b->p = realloc(b->p, b->cap = (b->n + k + 1) * 2);
    vsnprintf(b->p + b->n, k + 1, f, a2);
    va_end(a2);
    b->n += k;
}
// A connection. With TLS, lb[lo..hi) is what was decrypted and not yet taken.
struct conn {
    int fd;
    SSL *ssl;
    char *lb;
    size_t lo, hi;
};
#define LB 65536
static ssize_t tls_fill(struct conn *c) {
#ifdef TLS
    if (c->lo == c->hi)
        c->lo = c->hi = 0;
    if (c->hi == LB) {
        memmove(c->lb, c->lb + c->lo, c->hi - c->lo);
        c->hi -= c->lo;
        c->lo = 0;
    }
    int k = SSL_read(c->ssl, c->lb + c->hi, LB - c->hi);
    if (k > 0)
        c->hi += k;
    return k;
#else
    (void)c;
    return -1;
#endif
}
// Take up to n bytes: into p, or away if p is NULL.
static ssize_t take(struct conn *c, char *p, size_t n) {
    if (!c->ssl)
        return recv(c->fd, p, n, p ? 0 : MSG_TRUNC);
    if (c->lo == c->hi && tls_fill(c) <= 0)
        return -1;
    size_t k = c->hi - c->lo;
    if (k > n)
        k = n;
    if (p)
        memcpy(p, c->lb + c->lo, k);
    c->lo += k;
    return k;
}
// One request's header into in (at most cap bytes); its length, or -1.
static ssize_t header(struct conn *c, char *in, size_t cap) {
    size_t have = 0;
    for (;;) {
        if (have >= cap - 1)
            return -1;
        size_t room = cap - 1 - have;
        ssize_t k;
        char *x;
        if (c->ssl) {
            if (c->lo == c->hi && tls_fill(c) <= 0)
                return -1;
            k = c->hi - c->lo;
            if ((size_t)k > room)
                k = room;
            memcpy(in + have, c->lb + c->lo, k);
        } else { // peek, so that hardly a byte of the body is copied with it
            if (room > 4096)
                room = 4096;
            k = recv(c->fd, in + have, room, MSG_PEEK);
            if (k < 0 && errno == EINTR)
                continue;
            if (k <= 0)
                return -1;
        }
        size_t from = have < 3 ? 0 : have - 3;
        x = memmem(in + from, have + k - from, "\r\n\r\n", 4);
        size_t n = x ? (size_t)(x + 4 - in) - have : (size_t)k;
        if (c->ssl)
            c->lo += n;
        else if (recv(c->fd, in + have, n, MSG_WAITALL) != (ssize_t)n)
            return -1;
        have += n;
        if (x)
            return have;
    }
}
static int send_all(struct conn *c, const char *p, size_t n) {
#ifdef TLS
    if (c->ssl)
        return SSL_write(c->ssl, p, n) == (int)n ? 0 : -1;
#endif
    while (n) {
        ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) {
            if (k < 0 && errno == EINTR)
                continue;
            return -1;
        }
        p += k;
        n -= k;
    }
    return 0;
}
static const char *hdr(const char *h, const char *name) { // value of a header, or NULL
    size_t l = strlen(name);
    for (const char *p = strstr(h, "\r\n"); p && p[2] != '\r'; p = strstr(p + 2, "\r\n"))
        if (!strncasecmp(p + 2, name, l) && p[2 + l] == ':') {
            p += 3 + l;
            while (*p == ' ')
                p++;
            return p;
        }
    return NULL;
}
// The object's own headers (x-amz-meta-*, x-amz-checksum-*) of a request, as they are to be given back.
static void metadata(const char *h, char out[META]) {
    size_t n = 0;
    for (const char *p = strstr(h, "\r\n"); p && p[2] != '\r' && p[2]; p = strstr(p + 2, "\r\n")) {
        size_t l = strcspn(p + 2, "\r") + 2;
        if (strncasecmp(p + 2, "x-amz-meta-", 11) && strncasecmp(p + 2, "x-amz-checksum-", 15))
            continue;
        if (n + l >= META)
            break;
        memcpy(out + n, p + 2, l);
        n += l;
    }
    out[n] = 0;
}
static const char *qarg(const char *q, const char *name) { // value of a query argument, or NULL
    size_t l = strlen(name);
    for (; q && *q; q = strchr(q, '&')) {
        if (*q == '&' || *q == '?')
            q++;
        if (!strncmp(q, name, l) && (q[l] == '=' || q[l] == '&' || q[l] == ' ' || !q[l]))
            return q[l] == '=' ? q + l + 1 : "";
    }
    return NULL;
}
static int b64(const char *s, uint8_t o[16]) {
    uint32_t v = 0;
    int bits = 0, n = 0;
    for (; n < 16 && *s && *s != '\r'; s++) {
        int c = *s >= 'A' && *s <= 'Z'   ? *s - 'A'
                : *s >= 'a' && *s <= 'z' ? *s - 'a' + 26
                : *s >= '0' && *s <= '9' ? *s - '0' + 52
                : *s == '+'              ? 62
                : *s == '/'              ? 63
                                         : -1;
        if (c < 0)
            break;
        v = v << 6 | c;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            o[n++] = v >> bits;
        }
    }
    return n == 16 ? 0 : -1;
}
static void hex(const uint8_t *b, char *o) {
    for (int i = 0; i < 16; i++)
        sprintf(o + 2 * i, "%02x", b[i]);
}

// Take n bytes of the body off the socket: thrown away, or spliced into file.
static int body(struct conn *c, int64_t n, int file, int pipefd[2]) {
    struct timespec t0;
    int64_t got = 0;
    if (rate)
        clock_gettime(CLOCK_MONOTONIC, &t0);
    while (n > 0) {
        ssize_t k;
        if (file < 0) {
            k = take(c, NULL, n > 1 << 20 ? 1 << 20 : n);
        } else if (c->ssl) {
            char *p = c->lb + c->lo;
            k = take(c, NULL, n);
            if (k > 0) {
                p = c->lb + c->lo - k;
                if (write(file, p, k) != k)
                    return -1;
            }
        } else {
            k = splice(c->fd, NULL, pipefd[1], NULL, n > 1 << 20 ? 1 << 20 : n, SPLICE_F_MOVE | SPLICE_F_MORE);
            for (ssize_t r = k; r > 0;) {
                ssize_t w = splice(pipefd[0], NULL, file, NULL, r, SPLICE_F_MOVE);
                if (w <= 0)
                    return -1;
                r -= w;
            }
        }
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        n -= k;
        got += k;
        n_bytes += k;
        if (rate) {
            struct timespec t;
            clock_gettime(CLOCK_MONOTONIC, &t);
            double ahead = (double)got / rate - ((t.tv_sec - t0.tv_sec) + (t.tv_nsec - t0.tv_nsec) / 1e9);
            if (ahead > 0.001)
                usleep(ahead * 1e6);
        }
    }
    return 0;
}

// A small body, whose SHA-256 is compared with the signed one: so a client that tries out whether that is done is told yes.
// 0 where it is right or none is given, 1 where it is wrong, -1 where the connection broke.
#define SMALL 4096
static int body_small(struct conn *c, int64_t n, const char *h) {
    uint8_t bytes[SMALL], d[32];
    char hx[65];
    for (int64_t have = 0; have < n;) {
        ssize_t k = take(c, (char *)bytes + have, n - have);
        if (k <= 0)
            return -1;
        have += k;
    }
    n_bytes += n;
    const char *wanted = hdr(h, "x-amz-content-sha256");
    if (!wanted || strcspn(wanted, "\r") != 64)
        return 0;
    SHA256(bytes, n, d);
    for (int i = 0; i < 32; i++)
        sprintf(hx + 2 * i, "%02x", d[i]);
    return memcmp(hx, wanted, 64) ? 1 : 0;
}

// A body with Transfer-Encoding: chunked; its data size, or -1.
static int64_t body_chunked(struct conn *c, int file, int pipefd[2]) {
    int64_t total = 0;
    for (;;) {
        char line[128];
        int l = 0;
        do {
            if (take(c, line + l, 1) != 1)
                return -1;
        } while (line[l++] != '\n' && l < 127);
        line[l] = 0;
        int64_t n = strtoll(line, NULL, 16);
        if (n == 0) { // trailers, up to an empty line
            do {
                l = 0;
                do {
                    if (take(c, line + (l < 120 ? l : 120), 1) != 1)
                        return -1;
                } while (line[l < 120 ? l : 120] != '\n' && l++ < 8192);
            } while (l > 1);
            return total;
        }
        if (n < 0 || body(c, n, file, pipefd) || body(c, 2, -1, pipefd))
            return -1;
        total += n;
    }
}

static void *serve(void *arg) {
    int fd = (intptr_t)arg, one = 1, pipefd[2] = {-1, -1};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (save_dir) {
        if (pipe2(pipefd, O_CLOEXEC))
            goto end;
        fcntl(pipefd[1], F_SETPIPE_SZ, 1 << 20);
    }
    struct conn cn = {.fd = fd}, *c = &cn;
    char *in = malloc(1 << 16);
    struct buf b = {0};
#ifdef TLS
    if (ctx) {
        c->ssl = SSL_new(ctx);
        c->lb = malloc(LB);
        SSL_set_fd(c->ssl, fd);
        if (SSL_accept(c->ssl) <= 0)
            goto done;
    }
#endif
    for (;;) {
        ssize_t have = header(c, in, 1 << 16);
        if (have < 0)
            goto done;
        in[have - 2] = 0;
        n_req++;
        char method[8] = "", *path, *q, *v;
        sscanf(in, "%7s", method);
        path = strchr(in, ' ');
        if (!path)
            goto done;
        path++;
        char *eol = strpbrk(path, " \r\n");
        if (!eol)
            goto done;
        char keep = *eol;
        *eol = 0;
        char target[4096];
        snprintf(target, sizeof target, "%s", path);
        *eol = keep;
        q = strchr(target, '?');
        if (q)
            *q++ = 0;
        const char *cl = hdr(in, "content-length"), *te = hdr(in, "transfer-encoding"), *ex = hdr(in, "expect");
        int64_t len = cl ? atoll(cl) : 0;
        int put = !strcmp(method, "PUT"), post = !strcmp(method, "POST");
        const char *up = qarg(q, "uploadId"), *pn = qarg(q, "partNumber");
        int part = pn ? atoi(pn) : 0;
        int object = strchr(target + 1, '/') && strchr(target + 1, '/')[1];
        b.n = 0;
        char meta[META];
        metadata(in, meta);
        int chunked = te && !strncasecmp(te, "chunked", 7);
        if (ex && !strncasecmp(ex, "100-continue", 12) && send_all(c, "HTTP/1.1 100 Continue\r\n\r\n", 25))
            goto done;
        unsigned long long nb = 0;
        if (put && object) {
            int file = -1;
            char name[4200];
            nb = ++n_body;
            if (save_dir) {
                if (up)
                    snprintf(name, sizeof name, "%s/%u.%d", save_dir, (unsigned)atoi(up), part);
                else
                    snprintf(name, sizeof name, "%s/%llu.put", save_dir, nb);
                file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
                if (file < 0) {
                    perror(name);
                    goto done;
                }
            }
            int r = 0;
            if (chunked) {
                len = body_chunked(c, file, pipefd);
                r = len < 0;
            } else if (file < 0 && len <= SMALL) {
                r = body_small(c, len, in);
                if (r > 0) {
                    const char *x = "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>";
                    out(&b, "HTTP/1.1 400 Bad Request\r\nContent-Length: %zu\r\n\r\n%s", strlen(x), x);
                    goto answer;
                }
            } else
                r = body(c, len, file, pipefd);
            const char *dl = hdr(in, "x-amz-decoded-content-length");
            if (dl)
                len = atoll(dl);
            if (file >= 0)
                close(file);
            if (r)
                goto done;
        } else if (chunked) {
            if (body_chunked(c, -1, pipefd) < 0)
                goto done;
        } else if (len && !(post && up)) {
            if (body(c, len, -1, pipefd))
                goto done;
        }
        if (put && object && late_ms)
            usleep(late_ms * 1000);
        if (put && object && fail_every && nb % fail_every == 0) {
            const char *x = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            out(&b, "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s",
                strlen(x), x);
        } else if (put && object) {
            uint8_t d[16];
            char hx[33];
            const char *m = hdr(in, "content-md5");
            if (!m || b64(m, d)) {
                memset(d, 0, 16);
                memcpy(d, &nb, 8);
            }
            hex(d, hx);
            if (up) {
                unsigned u = atoi(up);
                pthread_mutex_lock(&mu);
                int ok = u < n_ups && ups[u].open && part >= 1 && part < MAXPART;
                if (ok) {
                    memcpy(ups[u].etag[part], d, 16);
                    ups[u].size[part] = len;
                }
                pthread_mutex_unlock(&mu);
                if (!ok) {
                    const char *x = "<Error><Code>NoSuchUpload</Code></Error>";
                    out(&b, "HTTP/1.1 404 Not Found\r\nContent-Length: %zu\r\n\r\n%s", strlen(x), x);
                    goto answer;
                }
            }
            if (!up)
                obj_put(target, len, hx, meta);
            out(&b, "HTTP/1.1 200 OK\r\nETag: \"%s\"\r\nContent-Length: 0\r\n", hx);
            // Echo a checksum header: some clients compare it.
            static const char *ck[] = {"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme",
                                       "x-amz-checksum-sha1", "x-amz-checksum-sha256"};
            for (int i = 0; i < 5; i++) {
                const char *h = hdr(in, ck[i]);
                if (h)
                    out(&b, "%s: %.*s\r\n", ck[i], (int)strcspn(h, "\r"), h);
            }
            out(&b, "\r\n");
        } else if (post && qarg(q, "uploads")) {
            struct buf x = {0};
            unsigned u = up_new(meta);
            const char *s = strchr(target + 1, '/');
            out(&x,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult "
                "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>%.*s</Bucket><Key>%s</Key><UploadId>%u</"
                "UploadId></InitiateMultipartUploadResult>",
                (int)(s ? s - target - 1 : 0), target + 1, s ? s + 1 : "", u);
            out(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s", x.n, x.p);
            free(x.p);
        } else if (post && up) { // Complete: the parts that its list names
            unsigned u = atoi(up);
            struct buf x = {0};
            char *list = malloc(len + 1);
            int64_t k = 0;
            while (k < len) {
                ssize_t r = take(c, list + k, len - k);
                if (r <= 0) {
                    free(list);
                    goto done;
                }
                k += r;
            }
            list[len] = 0;
            uint8_t *all = malloc(16 * MAXPART), d[16];
            char hx[33], et[48];
            int n = 0, bad = 0;
            int64_t size = 0;
            pthread_mutex_lock(&mu);
            if (u >= n_ups || !ups[u].open)
                bad = 2;
            for (char *p = list; !bad && (p = strstr(p, "<PartNumber>")) && n < MAXPART - 1; p += 12) {
                int i = atoi(p + 12);
                if (i < 1 || i >= MAXPART || ups[u].size[i] < 0) {
                    bad = 1;
                    break;
                }
                memcpy(all + 16 * n++, ups[u].etag[i], 16);
                size += ups[u].size[i];
            }
            if (!bad) {
                ups[u].open = 0;
                strcpy(meta, ups[u].meta); // those of CreateMultipartUpload
            }
            pthread_mutex_unlock(&mu);
            if (bad) {
                const char *m = bad == 2 ? "NoSuchUpload" : "InvalidPart";
                out(&x, "<Error><Code>%s</Code></Error>", m);
                out(&b, "HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s",
                    bad == 2 ? "404 Not Found" : "400 Bad Request", x.n, x.p);
            } else {
                md5(all, 16 * n, d);
                hex(d, hx);
                snprintf(et, sizeof et, "%s-%d", hx, n);
                obj_put(target, size, et, meta);
                out(&x,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult "
                    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Location>%s</Location><Bucket>b</"
                    "Bucket><Key>k</Key><ETag>&quot;%s-%d&quot;</ETag></CompleteMultipartUploadResult>",
                    target, hx, n);
                out(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s", x.n, x.p);
            }
            free(x.p);
            free(all);
            free(list);
        } else if (!strcmp(method, "GET") && up) { // ListParts, all in one page
            unsigned u = atoi(up);
            struct buf x = {0};
            out(&x,
                "<ListPartsResult><UploadId>%u</UploadId><MaxParts>10000</MaxParts><IsTruncated>false</IsTruncated>",
                u);
            pthread_mutex_lock(&mu);
            if (u < n_ups)
                for (int i = 1; i < MAXPART; i++)
                    if (ups[u].size[i] >= 0) {
                        char hx[33];
                        hex(ups[u].etag[i], hx);
                        out(&x, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag><Size>%lld</Size></Part>",
                            i, hx, (long long)ups[u].size[i]);
                    }
            pthread_mutex_unlock(&mu);
            out(&x, "</ListPartsResult>");
            out(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s", x.n, x.p);
            free(x.p);
        } else if (!strcmp(method, "DELETE")) {
            if (up) {
                unsigned u = atoi(up);
                pthread_mutex_lock(&mu);
                if (u < n_ups)
                    ups[u].open = 0;
                pthread_mutex_unlock(&mu);
            }
            out(&b, "HTTP/1.1 204 No Content\r\n\r\n");
        } else if (!strcmp(method, "HEAD") && object) {
            char et[48];
            int64_t n = obj_get(target, et, meta);
            if (n < 0)
                out(&b, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            else
                out(&b,
                    "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\nETag: \"%s\"\r\nLast-Modified: Thu, 01 Jan 2026 "
                    "00:00:00 GMT\r\n%s\r\n",
                    (long long)n, et, meta);
        } else if (!strcmp(method, "GET") && qarg(q, "location")) {
            v = "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>";
            out(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s", strlen(v), v);
        } else if (!strcmp(method, "GET") && object) { // nothing is kept that could be given back
            v = "<Error><Code>NoSuchKey</Code></Error>";
            out(&b, "HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s",
                strlen(v), v);
        } else if (!strcmp(method, "GET")) {
            v = qarg(q, "uploads")
                    ? "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
                    : "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>";
            out(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s", strlen(v), v);
        } else {
            out(&b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    answer:
        if (send_all(c, b.p, b.n))
            goto done;
        const char *co = hdr(in, "connection");
        if (co && !strncasecmp(co, "close", 5))
            goto done;
    }
done:
#ifdef TLS
    if (c->ssl)
        SSL_free(c->ssl);
#endif
    free(in);
    free(b.p);
    free(c->lb);
end:
    if (pipefd[0] >= 0) {
        close(pipefd[0]);
        close(pipefd[1]);
    }
    close(fd);
    return NULL;
}

static void *usr1(void *set) { // never returns
    int sig;
    while (!sigwait(set, &sig))
        fprintf(stderr, "connections %llu requests %llu bodies %llu uploads %llu bytes %llu\n", n_conn, n_req, n_body,
                n_upload, n_bytes);
    return NULL;
}
int main(int argc, char **argv) {
    int o;
    while ((o = getopt(argc, argv, "p:s:l:e:r:P:c:k:")) != -1)
        switch (o) {
        case 'p':
            port = atoi(optarg);
            break;
        case 's':
            save_dir = optarg;
            break;
        case 'l':
            late_ms = atoi(optarg);
            break;
        case 'e':
            fail_every = atoi(optarg);
            break;
        case 'r':
            rate = atol(optarg);
            break;
        case 'P':
            pid_file = optarg;
            break;
        case 'c':
            cert = optarg;
            break;
        case 'k':
            pkey = optarg;
            break;
        default:
            return 2;
        }
    signal(SIGPIPE, SIG_IGN);
    if (cert) {
#ifdef TLS
        ctx = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
            SSL_CTX_use_PrivateKey_file(ctx, pkey ? pkey : cert, SSL_FILETYPE_PEM) != 1) {
            fprintf(stderr, "s3sink: certificate\n");
            return 1;
        }
        SSL_CTX_set_read_ahead(ctx, 1);
#else
        fprintf(stderr, "s3sink: built without TLS\n");
        return 1;
#endif
    }
    sigset_t ss;
    sigemptyset(&ss);
    sigaddset(&ss, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &ss, NULL);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (void *)&a, sizeof a) || listen(s, 512)) {
        perror("s3sink: listen");
        return 1;
    }
    if (pid_file) {
        FILE *f = fopen(pid_file, "w");
        if (f) {
            fprintf(f, "%d\n", getpid());
            fclose(f);
        }
    }
    pthread_attr_t at;
    pthread_attr_init(&at);
    pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&at, 256 << 10);
    pthread_t ut;
    pthread_create(&ut, &at, usr1, &ss);
    for (;;) {
        int fd = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE)
                usleep(1000);
            continue;
        }
        n_conn++;
        pthread_t t;
        if (pthread_create(&t, &at, serve, (void *)(intptr_t)fd))
            close(fd);
    }
}
