/* limit: what a server that does one send() a message a websocket can reach at most: this and nothing else, in C.
 *
 * usage: limit REDISPORT CHANNEL
 * Listens on a free port of 127.0.0.1 and prints it. Whoever connects gets a 101 for whatever he asks, and from then on each
 * message of the channel as one text frame. It never drops anybody: who takes nothing is waited for, which serves the load
 * program well and would serve a site badly. Ends when its standard input does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536

static int clients[MOST], count;
static char received[1 << 20];
static size_t have;

/* Its key is the load program's, that of RFC 6455, 1.3. */
static const char head[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void die(const char *what) { perror(what); exit(1); }

static void send_whole(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};
            if (errno != EAGAIN || poll(&full, 1, -1) < 0) return;
            continue;
        }
        data += sent;
        size -= (size_t)sent;
    }
}

static void fan_out(const char *message, size_t size) {
    static char frame[4 + 65535];
    size_t head_size = 2;
    if (size > 65535) { fprintf(stderr, "limit: a message of %zu bytes\n", size); exit(1); }
    frame[0] = (char)0x81;
    if (size < 126) {
        frame[1] = (char)size;
    } else {
        frame[1] = 126;
        frame[2] = (char)(size >> 8);
        frame[3] = (char)size;
        head_size = 4;
    }
    memcpy(frame + head_size, message, size);
    for (int i = 0; i < count; i++) send_whole(clients[i], frame, head_size + size);
}

/* One reply of RESP2 that is an array of strings and integers; gives its size, 0 if its end has not come. */
static size_t take_reply(const char *data, size_t size) {
    const char *at = data, *stop = data + size, *last = NULL, *kind = NULL;
    size_t last_size = 0;
    long parts = -1;
    for (long i = -1; parts < 0 || i < parts; i++) {
        const char *line = at < stop ? memmem(at, (size_t)(stop - at), "\r\n", 2) : NULL;
        if (!line) return 0;
        long number = atol(at + 1);
        char type = *at;
        at = line + 2;
        if (type == '*') {
            parts = number;
        } else if (type == '$') {
            if (stop - at < number + 2) return 0;
            if (!kind) kind = at;
            last = at;
            last_size = (size_t)number;
            at += number + 2;
        } else if (type != ':') {
            fprintf(stderr, "limit: Redis says %.*s\n", (int)(line - data), data);
            exit(1);
        }
    }
    if (kind && memcmp(kind, "message", 7) == 0) fan_out(last, last_size);
    return (size_t)(at - data);
}

static int connect_to_redis(int port, const char *channel) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect to Redis");
    char command[600];
    int size = snprintf(command, sizeof command, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(channel), channel);
    send_whole(fd, command, (size_t)size);
    return fd;
}

static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int events, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void forget(int fd) {
    for (int i = 0; i < count; i++) {
        if (clients[i] == fd) clients[i] = clients[--count];
    }
    close(fd);
}

static void read_from_client(int fd) {
    char data[8192];
    ssize_t size = read(fd, data, sizeof data);
    if (size <= 0) {
        forget(fd);
    } else if (size > 4 && memcmp(data, "GET ", 4) == 0) {
        if (count == MOST) { fprintf(stderr, "limit: more than %d websockets\n", MOST); exit(1); }
        send_whole(fd, head, sizeof head - 1);
        clients[count++] = fd;
    }
}

static void read_from_redis(int fd) {
    ssize_t size = read(fd, received + have, sizeof received - have);
    if (size <= 0) { fprintf(stderr, "limit: Redis is gone\n"); exit(1); }
    have += (size_t)size;
    size_t at = 0, taken;
    while ((taken = take_reply(received + at, have - at))) at += taken;
    memmove(received, received + at, have - at);
    have -= at;
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: limit REDISPORT CHANNEL\n"); return 2; }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int redis = connect_to_redis(atoi(argv[1]), argv[2]), events = epoll_create1(0), listener = listen_somewhere(), one = 1;
    watch(events, redis);
    watch(events, listener);
    watch(events, STDIN_FILENO);
    for (;;) {
        struct epoll_event some[256];
        int ready = epoll_wait(events, some, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = some[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd == redis) {
                read_from_redis(fd);
            } else if (fd == listener) {
                int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (client < 0) continue;
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(events, client);
            } else {
                read_from_client(fd);
            }
        }
    }
}
