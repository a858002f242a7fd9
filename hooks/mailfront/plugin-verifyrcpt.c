/* SPDX-License-Identifier: 0BSD */
/* hooks/mailfront/plugin-verifyrcpt.c - asks qmail-verify about every recipient mailfront is given.
 *
 * A plugin of mailfront 2.12 for its SMTP, QMTP and QMQP front ends, on top of verifyrcpt.h.  It
 * refuses recipients that do not exist and leaves the others to the plugins that decide which
 * domains are ours (qmail-validate, relayclient).  Settings: VERIFY, RELAYCLIENT, verifyrcpt(3).
 *
 * One process is one session.  Blocks as long as VERIFY allows.
 * Tests: tests/e2e/mailfront.py
 */
#include <mailfront/mailfront.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/hook.h"

static verifyrcpt verify;
static verifyrcpt_result result;

static void log_line(const char* text) {
  char prefix[48];
  (void)snprintf(prefix, sizeof prefix, "mailfront[%ld]: verifyrcpt", (long)getpid());
  hook_write_line(prefix, text);
}

/* A response of mailfront is a number and the text behind it. */
static const response* as_response(void) {
  static response answer;
  if (result.code == 0) return NULL;
  answer.number = (unsigned)result.code;
  answer.message = strlen(result.reply) > 4 ? result.reply + 4 : "";
  return &answer;
}

/* 421 ends an SMTP session: mailfront itself never closes the connection after a response.  The
 * other protocols have one answer per recipient and end by themselves: there 421 is a temporary
 * refusal. */
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
  (void)verifyrcpt_init_env(&verify); /* the first recipient gets the reply to an error */
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

/* RELAYCLIENT or authentication may have come after the session began. */
static int may_relay(void) {
  return session_getenv("RELAYCLIENT") != NULL || session_getnum("authenticated", 0) != 0;
}

static const response* on_recipient(str* address, str* params) {
  (void)params;
  if (may_relay()) return NULL;
  (void)verifyrcpt_rcpt(&verify, address->s, address->len, &result);
  hook_log_result(&verify, &result, address->s, address->len, log_line);
  if (result.delay != 0) {
    obuf_flush(&outbuf); /* earlier replies to pipelined commands are not delayed */
    hook_sleep(result.delay);
  }
  return result.code == 421 ? close_session() : as_response();
}

/* SMTP has all recipients when the data starts, QMTP and QMQP when it has ended: the refusal of
 * DEFER is due at the later one. */
static const response* refuse_data(int fd) {
  (void)fd;
  (void)verifyrcpt_data(&verify, &result);
  hook_log_result(&verify, &result, "", 0, log_line);
  return as_response();
}

struct plugin plugin = {
    .version = PLUGIN_VERSION,
    .flags = 0,
    .init = on_init,
    .helo = on_helo,
    .reset = on_reset,
    .sender = on_sender,
    .recipient = on_recipient,
    .data_start = refuse_data,
    .message_end = refuse_data,
};
