/* load: opens N websockets on 127.0.0.1 and takes down what each of them receives.
 *
 * usage: load PORT PATH N [-a N] [-c FILE] [-r FILE]
 *   -a N     handshakes under way at once; 64 keep a server busy, as many as there are websockets is what a restart brings
 *   -c FILE  line k is the Cookie header of websocket k
 *   -r FILE  written at the end: for each websocket the count of its messages, then the number at the head of each, uint32
 *
 * Prints one JSON object a line: when all handshakes are done, for each line that it reads, and when its input ends, with
 * which it ends too. Pings and close frames are answered, so that websockets stay open as long as the server wants.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 20)
#define INPUT UINT32_MAX
#define NO_CLOSE_FRAME 1006

enum state { OPENING, OPEN, REFUSED, CLOSED };

struct websocket {
    int fd;
    enum state state;
    int close_code;
    uint32_t frames, pings, room;
    uint32_t *numbers;
    unsigned char *rest; /* a frame, or a response's head, of which the end has not come yet */
    size_t rest_size;
};

static struct websocket *all;
static uint32_t wanted, begun, answered, at_once = 64;
static uint64_t first_ns, last_ns;
static int recording, events;
static const char *path;
static char **cookies;
static unsigned char buffer[2 * ROOM];

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A masked control frame; a mask of zeros leaves the payload as it is. */
static void send_control(struct websocket *ws, unsigned char opcode, const unsigned char *payload, size_t size) {
    unsigned char frame[6 + 125] = {0x80 | opcode, 0x80 | (unsigned char)size};
    memcpy(frame + 6, payload, size);
    /* A peer that takes nothing any more is met at the next recv(). */
    if (send(ws->fd, frame, 6 + size, MSG_NOSIGNAL) < 0) return;
}

static void record(struct websocket *ws, const unsigned char *payload, size_t size) {
    uint32_t number = 0;
    for (size_t i = 0; i < size && payload[i] >= '0' && payload[i] <= '9'; i++) number = number * 10 + (payload[i] - '0');
    if (ws->frames == ws->room) {
        ws->room = ws->room ? 2 * ws->room : 1024;
        ws->numbers = realloc(ws->numbers, ws->room * sizeof *ws->numbers);
        if (!ws->numbers) die("realloc");
    }
    ws->numbers[ws->frames] = number;
}

static void take_frame(struct websocket *ws, int opcode, const unsigned char *payload, size_t size) {
    if (opcode <= 2) {
        if (recording) record(ws, payload, size);
        ws->frames++;
    } else if (opcode == 9) {
        ws->pings++;
        send_control(ws, 10, payload, size);
    } else if (opcode == 8) {
        ws->close_code = size >= 2 ? payload[0] << 8 | payload[1] : 1005;
        send_control(ws, 8, payload, size);
    }
}

/* Takes whole frames; gives how many bytes they had. */
static size_t take_frames(struct websocket *ws, const unsigned char *data, size_t size) {
    size_t at = 0;
    while (size - at >= 2) {
        const unsigned char *head = data + at;
        size_t length = head[1] & 0x7f, head_size = 2;
        if (length == 126) head_size = 4;
        if (length == 127) head_size = 10;
        if (size - at < head_size) break;
        if (head_size > 2) {
            length = 0;
            for (size_t i = 2; i < head_size; i++) length = length << 8 | head[i];
        }
        if (length > ROOM / 2) { fprintf(stderr, "load: a frame of %zu bytes\n", length); exit(1); }
        if (size - at < head_size + length) break;
        take_frame(ws, head[0] & 0x0f, head + head_size, length);
        at += head_size + length;
    }
    return at;
}

static void end(struct websocket *ws, enum state state) {
    close(ws->fd);
    free(ws->rest);
    ws->rest = NULL;
    ws->rest_size = 0;
    ws->state = state;
    if (!ws->close_code) ws->close_code = NO_CLOSE_FRAME;
}

/* Takes the head of the response; gives how many bytes it had, 0 if it is not complete. */
static size_t take_head(struct websocket *ws, const unsigned char *data, size_t size) {
    const unsigned char *stop = memmem(data, size, "\r\n\r\n", 4);
    if (!stop) return 0;
    answered++;
    if (memcmp(data, "HTTP/1.1 101", 12) == 0) {
        ws->state = OPEN;
    } else {
        static int told;
        if (!told++) fprintf(stderr, "load: refused: %.*s\n", (int)size, data);
        end(ws, REFUSED);
    }
    return (size_t)(stop + 4 - data);
}

static void readable(struct websocket *ws) {
    size_t size = ws->rest_size, at = 0;
    if (size) memcpy(buffer, ws->rest, size);
    ssize_t count = recv(ws->fd, buffer + size, ROOM, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        if (ws->state == OPENING) answered++;
        end(ws, ws->state == OPENING ? REFUSED : CLOSED);
        return;
    }
    size += (size_t)count;
    if (ws->state == OPENING) at = take_head(ws, buffer, size);
    if (ws->state == OPEN) {
        uint32_t before = ws->frames;
        at += take_frames(ws, buffer + at, size - at);
        if (ws->frames != before) {
            last_ns = now_ns();
            if (!first_ns) first_ns = last_ns;
        }
    }
    if (ws->state == REFUSED) return;
    if (size - at != ws->rest_size) {
        free(ws->rest);
        ws->rest = size > at ? malloc(size - at) : NULL;
        if (size > at && !ws->rest) die("malloc");
    }
    ws->rest_size = size - at;
    if (ws->rest_size) memcpy(ws->rest, buffer + at, ws->rest_size);
}

static void begin(uint32_t number, int port) {
    struct websocket *ws = &all[number];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    static char request[8192];
    int size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
        path, port, cookies ? "Cookie: " : "", cookies ? cookies[number] : "", cookies ? "\r\n" : "");
    int one = 1;
    ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ws->fd < 0) die("socket");
    setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(ws->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    if (send(ws->fd, request, (size_t)size, MSG_NOSIGNAL) != size) die("send");
    fcntl(ws->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(events, EPOLL_CTL_ADD, ws->fd, &event)) die("epoll_ctl");
}

static void report(void) {
    uint64_t frames = 0, pings = 0;
    uint32_t count[4] = {0}, pinged = 0, least = UINT32_MAX, most = 0, codes[65536] = {0};
    for (uint32_t i = 0; i < begun; i++) {
        struct websocket *ws = &all[i];
        count[ws->state]++;
        if (ws->state == CLOSED || (ws->state == OPEN && ws->close_code)) codes[ws->close_code & 0xffff]++;
        frames += ws->frames;
        pings += ws->pings;
        pinged += ws->pings > 0;
        if (ws->state == REFUSED) continue;
        if (ws->frames < least) least = ws->frames;
        if (ws->frames > most) most = ws->frames;
    }
    printf("{\"opened\": %u, \"refused\": %u, \"frames\": %llu, \"least\": %u, \"most\": %u, \"pings\": %llu, \"pinged\": %u, "
           "\"first_ns\": %llu, \"last_ns\": %llu, \"closed\": {",
        count[OPEN] + count[CLOSED], count[REFUSED], (unsigned long long)frames, least == UINT32_MAX ? 0 : least, most,
        (unsigned long long)pings, pinged, (unsigned long long)first_ns, (unsigned long long)last_ns);
    const char *comma = "";
    for (int code = 0; code < 65536; code++) {
        if (codes[code]) { printf("%s\"%d\": %u", comma, code, codes[code]); comma = ", "; }
    }
    printf("}}\n");
    fflush(stdout);
}

static void write_numbers(const char *name) {
    FILE *file = fopen(name, "wb");
    if (!file) die(name);
    for (uint32_t i = 0; i < wanted; i++) {
        fwrite(&all[i].frames, sizeof all[i].frames, 1, file);
        fwrite(all[i].numbers, sizeof *all[i].numbers, all[i].frames, file);
    }
    if (fclose(file)) die(name);
}

static void read_cookies(const char *name) {
    FILE *file = fopen(name, "r");
    if (!file) die(name);
    cookies = calloc(wanted, sizeof *cookies);
    for (uint32_t i = 0; i < wanted; i++) {
        size_t room = 0;
        if (getline(&cookies[i], &room, file) < 0) { fprintf(stderr, "load: %s has too few lines\n", name); exit(1); }
        cookies[i][strcspn(cookies[i], "\r\n")] = 0;
    }
    fclose(file);
}

int main(int argc, char **argv) {
    const char *record_name = NULL, *cookie_name = NULL;
    int option;
    while ((option = getopt(argc, argv, "a:c:r:")) != -1) {
        if (option == 'a') at_once = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'c') cookie_name = optarg;
        else if (option == 'r') record_name = optarg;
        else return 2;
    }
    if (argc - optind != 3) { fprintf(stderr, "usage: load PORT PATH N [-a N] [-c FILE] [-r FILE]\n"); return 2; }
    int port = atoi(argv[optind]);
    path = argv[optind + 1];
    wanted = (uint32_t)strtoul(argv[optind + 2], NULL, 10);
    recording = record_name != NULL;
    all = calloc(wanted, sizeof *all);
    if (!all) die("calloc");
    if (cookie_name) read_cookies(cookie_name);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = INPUT}, some[256];
    if (epoll_ctl(events, EPOLL_CTL_ADD, STDIN_FILENO, &input)) die("epoll_ctl");
    int told = 0;
    for (;;) {
        while (begun < wanted && begun - answered < at_once) begin(begun++, port);
        if (!told && answered == wanted) { told = 1; report(); }
        int count = epoll_wait(events, some, 256, -1);
        for (int i = 0; i < count; i++) {
            if (some[i].data.u32 != INPUT) { readable(&all[some[i].data.u32]); continue; }
            char line[256];
            ssize_t size = read(STDIN_FILENO, line, sizeof line);
            report();
            if (size <= 0) {
                if (record_name) write_numbers(record_name);
                return 0;
            }
        }
    }
}
