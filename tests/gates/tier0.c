/* SPDX-License-Identifier: 0BSD */
/* The hook library as a C program sees it: strict C11, linked with plain cc, against a verifier in
 * a child of its own.  Asks about three recipients, as an SMTP server does; exit 0: all is well. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verifyrcpt.h"

static int failures;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "tier0: %s does not hold\n", what);
  ++failures;
}
#define EXPECT(condition) expect((condition), #condition)

/* Answers "good..." with valid, everything else with not valid, until it is killed. */
static void serve(int fd) {
  static const char why[] = "v=2\0id=................................\0why=test";
  for (;;) {
    char query[1200];
    char reply[1 + 1 + sizeof why];
    struct sockaddr_in peer;
    socklen_t peer_length = sizeof peer;
    ssize_t n = recvfrom(fd, query, sizeof query, 0, (struct sockaddr*)&peer, &peer_length);
    size_t id = n < 0 ? 0 : strnlen(query, (size_t)n) + sizeof "v=2\0id=";
    if (n < 0 || id + 32 > (size_t)n) continue;
    reply[0] = (char)(strncmp(query, "good", 4) == 0 ? VERIFYRCPT_VALID : VERIFYRCPT_NOT_VALID);
    reply[1] = '\0';
    memcpy(reply + 2, why, sizeof why);
    memcpy(reply + 2 + sizeof "v=2\0id=" - 1, query + id, 32);
    sendto(fd, reply, sizeof reply, 0, (struct sockaddr*)&peer, peer_length);
  }
}

/* A verifier on a port of its own: writes the value of VERIFY, returns the child. */
static pid_t start_verifier(char* value, size_t size) {
  struct sockaddr_in where;
  socklen_t length = sizeof where;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  pid_t child;
  memset(&where, 0, sizeof where);
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr*)&where, length) != 0) return -1;
  if (getsockname(fd, (struct sockaddr*)&where, &length) != 0) return -1;
  snprintf(value, size, ":%u,timeout=20", (unsigned)ntohs(where.sin_port));
  child = fork();
  if (child == 0) {
    alarm(60); /* should the parent be killed */
    serve(fd);
  }
  close(fd);
  return child;
}

int main(void) {
  static verifyrcpt session;
  verifyrcpt_result result;
  char line[VERIFYRCPT_LOG_SIZE];
  char value[64];
  pid_t verifier = start_verifier(value, sizeof value);
  if (verifier < 0) return 1;

  EXPECT(verifyrcpt_init(&session, value, strlen(value), 0) == VERIFYRCPT_ON);
  verifyrcpt_client(&session, "192.0.2.1", 9);
  verifyrcpt_helo(&session, "mx", 2);
  verifyrcpt_mail(&session, "eve@example.net", 15);
  EXPECT(verifyrcpt_rcpt(&session, "good", 4, &result) == 0);
  EXPECT(result.verdict == VERIFYRCPT_VALID && strcmp(result.why, "test") == 0);
  EXPECT(verifyrcpt_rcpt(&session, "bad", 3, &result) == 550);
  EXPECT(verifyrcpt_log(&session, &result, "bad", 3, line, sizeof line) == strlen(line));
  EXPECT(strncmp(line, "result=not-valid why=test code=550 rcpt=bad ", 44) == 0);
  verifyrcpt_reset(&session);
  EXPECT(verifyrcpt_rcpt(&session, "good", 4, &result) == 0);
  EXPECT(verifyrcpt_data(&session, &result) == 0);
  verifyrcpt_close(&session);
  EXPECT(verifyrcpt_init_env(&session) == VERIFYRCPT_OFF);
  EXPECT(strcmp(verifyrcpt_reason(&session), "") == 0);

  kill(verifier, SIGKILL);
  waitpid(verifier, NULL, 0);
  return failures == 0 ? 0 : 1;
}
