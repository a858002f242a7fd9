/* SPDX-License-Identifier: 0BSD */
/* hooks/mailfront/plugin-verifyrcpt.c - asks qmail-verify about every recipient mailfront is given.
 *
 * A plugin of mailfront 2.12 for its SMTP, QMTP and QMQP front ends, on top of verifyrcpt.h.  It
 * has no opinion on a recipient that exists, so other plugins say which domains are ours
 * (qmail-validate, relayclient); it refuses the ones that do not.  Settings: VERIFY, RELAYCLIENT,
 * verifyrcpt(3).
 *
 * One process is one session.  Blocks for as long as VERIFY says.
 * Tests: tests/e2e/mailfront.py
 */
#include <errno.h>
#include <mailfront/mailfront.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "verifyrcpt.h"

static verifyrcpt verify;
static verifyrcpt_result result;

/* One write for one line: the lines of other sessions go to the same pipe. */
static void log_line(const char* text) {
  char line[VERIFYRCPT_LOG_SIZE + 64];
  const int length =
      snprintf(line, sizeof line, "mailfront[%ld]: verifyrcpt: %s\n", (long)getpid(), text);
  if (length <= 0) return;
  const size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
  if (write(2, line, size) < 0) return; /* without a log there is nobody to tell */
}

static void log_result(const char* address, size_t length) {
  char line[VERIFYRCPT_LOG_SIZE];
  if (result.code == 0 &&
      (result.verdict == VERIFYRCPT_VALID || result.verdict == VERIFYRCPT_NOT_ASKED))
    return;
  (void)verifyrcpt_log(&verify, &result, address, length, line, sizeof line);
  log_line(line);
}

/* What was answered before goes out first: pipelined commands do not wait for our delay. */
static void wait_seconds(unsigned seconds) {
  struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = 0};
  if (seconds == 0) return;
  obuf_flush(&outbuf);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* mailfront's responses are a number and the text behind it. */
static const response* as_response(void) {
  static response answer;
  if (result.code == 0) return NULL;
  answer.number = (unsigned)result.code;
  answer.message = strlen(result.reply) > 4 ? result.reply + 4 : "";
  return &answer;
}

/* 421 ends an SMTP session: mailfront itself never hangs up on a response.  The other protocols
 * have one answer per recipient and end by themselves; there it is a temporary refusal. */
static const response* close_session(void) {
  const response* answer = as_response();
  if (strstr(session_protocol(), "SMTP") == NULL) return answer; /* it is ESMTP after EHLO */
  respond(answer);
  obuf_flush(&outbuf);
  verifyrcpt_close(&verify);
  exit(0);
}

static const response* on_init(void) {
  const char* ip = getprotoenv("REMOTEIP");
  (void)verifyrcpt_init_env(&verify); /* what is wrong is said at the first recipient */
  if (ip != NULL) verifyrcpt_client(&verify, ip, strlen(ip));
  if (verifyrcpt_reason(&verify)[0] != '\0') log_line(verifyrcpt_reason(&verify));
  return NULL;
}

static const response* on_helo(str* name, str* capabilities) {
  (void)capabilities;
  verifyrcpt_helo(&verify, name->s, name->len);
  return NULL;
}

static const response* on_reset(void) {
  verifyrcpt_reset(&verify);
  return NULL;
}

static const response* on_sender(str* address, str* params) {
  (void)params;
  verifyrcpt_mail(&verify, address->s, address->len);
  return NULL;
}

/* RELAYCLIENT may have been set since the session began, and so may authentication. */
static int may_relay(void) {
  return session_getenv("RELAYCLIENT") != NULL || session_getnum("authenticated", 0) != 0;
}

static const response* on_recipient(str* address, str* params) {
  (void)params;
  if (may_relay()) return NULL;
  (void)verifyrcpt_rcpt(&verify, address->s, address->len, &result);
  log_result(address->s, address->len);
  wait_seconds(result.delay);
  return result.code == 421 ? close_session() : as_response();
}

/* With SMTP the recipients are known when the data starts, with QMTP and QMQP when it has ended:
 * DEFER's refusal is due at whichever comes last. */
static const response* refuse_data(void) {
  if (verifyrcpt_data(&verify, &result) == 0) return NULL;
  log_result("", 0);
  return as_response();
}

static const response* on_data_start(int fd) {
  (void)fd;
  return refuse_data();
}

static const response* on_message_end(int fd) {
  (void)fd;
  return refuse_data();
}

struct plugin plugin = {
    .version = PLUGIN_VERSION,
    .flags = 0,
    .init = on_init,
    .helo = on_helo,
    .reset = on_reset,
    .sender = on_sender,
    .recipient = on_recipient,
    .data_start = on_data_start,
    .message_end = on_message_end,
};
