/* publish: sends numbered messages to a Redis channel from a pipeline.
 *
 * usage: publish REDISPORT CHANNEL COUNT SIZE DEPTH RATE
 * A message has SIZE bytes: its number in ten digits, then padding. At most DEPTH commands are unanswered at any time; RATE
 * spaces them evenly, so many a second, 0 for as many as Redis answers.
 * Prints a JSON object: start_ns and end_ns (CLOCK_MONOTONIC: before the first byte, after the last answer), receivers (the
 * sum of Redis' answers).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* All commands, one behind the other; each has the same size. */
static char *make_commands(const char *channel, long count, size_t size, size_t *each) {
    char *padding = malloc(size + 1), *whole;
    memset(padding, 'x', size);
    padding[size] = 0;
    int head = snprintf(NULL, 0, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, size);
    *each = (size_t)head + size + 2;
    whole = malloc(*each * (size_t)count + 1);
    if (!whole) die("malloc");
    for (long i = 0; i < count; i++) {
        sprintf(whole + (size_t)i * *each, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n%010ld%s\r\n", strlen(channel), channel,
            size, i, padding + 10);
    }
    return whole;
}

int main(int argc, char **argv) {
    if (argc != 7 || atol(argv[4]) < 10) {
        fprintf(stderr, "usage: publish REDISPORT CHANNEL COUNT SIZE DEPTH RATE; SIZE is at least 10\n");
        return 2;
    }
    double rate = atof(argv[6]);
    long count = atol(argv[3]), depth = atol(argv[5]), answered = 0, receivers = 0, number = 0;
    size_t each, sent = 0;
    char *commands = make_commands(argv[2], count, (size_t)atol(argv[4]), &each);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect to Redis");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    uint64_t start = now_ns();
    while (answered < count) {
        long allowed = answered + depth < count ? answered + depth : count;
        if (rate > 0) {
            long by_now = 1 + (long)((double)(now_ns() - start) * rate / 1e9);
            if (by_now < allowed) allowed = by_now;
        }
        size_t due = each * (size_t)allowed - sent;
        if (due) {
            ssize_t written = send(fd, commands + sent, due, MSG_NOSIGNAL);
            if (written < 0 && errno != EAGAIN) die("send to Redis");
            if (written > 0) { sent += (size_t)written; due -= (size_t)written; }
        }
        struct pollfd redis = {.fd = fd, .events = due ? POLLIN | POLLOUT : POLLIN};
        poll(&redis, 1, rate > 0 ? 1 : -1);
        if (!(redis.revents & (POLLIN | POLLHUP | POLLERR))) continue;
        char answers[65536];
        ssize_t size = read(fd, answers, sizeof answers);
        if (size < 0 && errno == EAGAIN) continue;
        if (size <= 0) { fprintf(stderr, "publish: Redis is gone\n"); return 1; }
        for (ssize_t i = 0; i < size; i++) {
            char c = answers[i];
            if (c == '-') { fprintf(stderr, "publish: Redis says %.*s\n", (int)(size - i), answers + i); return 1; }
            if (c == ':') number = 0;
            else if (c >= '0' && c <= '9') number = number * 10 + (c - '0');
            else if (c == '\n') { answered++; receivers += number; }
        }
    }
    printf("{\"start_ns\": %llu, \"end_ns\": %llu, \"receivers\": %ld}\n", (unsigned long long)start,
        (unsigned long long)now_ns(), receivers);
    return 0;
}
