/* SPDX-License-Identifier: 0BSD */
/* hooks/exim/verifyrcpt-exim.c - asks qmail-verify from Exim's ACLs, by ${dlfunc}.
 *
 * A shared object for an Exim built with EXPAND_DLFUNC (Debian: exim4-daemon-heavy), on top of
 * verifyrcpt.h.  Each of its two functions yields the reply for the ACL, or nothing:
 *
 *   ${dlfunc{FILE}{qmail_verify_rcpt}{VALUE}{ADDRESS}{HELO}}   in acl_smtp_rcpt
 *   ${dlfunc{FILE}{qmail_verify_data}}                         in acl_smtp_predata
 *
 * One process of Exim is one SMTP session.  A transaction begins where Exim has no recipient yet,
 * so that RSET, HELO, EHLO and MAIL need no ACL.  Blocks as long as VALUE allows.
 * Manual: README.md beside this file.  Tests: tests/e2e/exim.py
 */
#define DLFUNC_IMPL
#include <local_scan.h>
#include <string.h>
#include <unistd.h>

#include "hooks/hook.h"

#define QV_EXPORT __attribute__((visibility("default")))

enum { kMaxValue = 1024 };

QV_EXPORT exim_dlfunc_t qmail_verify_rcpt;
QV_EXPORT exim_dlfunc_t qmail_verify_data;

static verifyrcpt verify;
static verifyrcpt_result result;
static char value_in_use[kMaxValue]; /* what `verify` was begun with */
static int begun;

static void log_line(const char* text) { log_write(0, LOG_MAIN, "verifyrcpt: %s", text); }

/* An ACL can close the connection (drop), but only with the reply 550, which would be wrong for a
 * recipient that was not asked about.  At RCPT the log is the only open file of Exim. */
static void close_session(void) {
  smtp_printf("%s\r\n", FALSE, result.reply);
  (void)smtp_fflush();
  verifyrcpt_close(&verify);
  _exit(0);
}

/* Yields the reply, in memory of Exim. */
static int yield_reply(uschar** yield) {
  if (result.code != 0 && result.delay != 0) {
    (void)smtp_fflush(); /* earlier replies to pipelined commands are not delayed */
    hook_sleep(result.delay);
  }
  if (result.code == 421) close_session();
  *yield = string_copy(CUS result.reply);
  return OK;
}

static int complain(uschar** yield, const char* text) {
  *yield = string_copy(CUS text);
  return ERROR;
}

/* An ACL may use different values for different clients.  Within a session the value and the count
 * of refusals stay. */
static void begin_session(const char* value) {
  if (begun && strcmp(value, value_in_use) == 0) return;
  verifyrcpt_close(&verify);
  begun = 1;
  (void)strcpy(value_in_use, value); /* its length was checked */
  (void)verifyrcpt_init(&verify, value, strlen(value), 0);
  if (sender_host_address != NULL)
    verifyrcpt_client(&verify, CCS sender_host_address, strlen(CCS sender_host_address));
  if (verifyrcpt_reason(&verify)[0] != '\0') log_line(verifyrcpt_reason(&verify));
}

static void begin_transaction(const char* helo) {
  verifyrcpt_helo(&verify, helo, strlen(helo));
  if (sender_address != NULL)
    verifyrcpt_mail(&verify, CCS sender_address, strlen(CCS sender_address));
}

QV_EXPORT int qmail_verify_rcpt(uschar** yield, int argc, uschar* argv[]) {
  if (argc != 2 && argc != 3) return complain(yield, "qmail_verify_rcpt: value, address and HELO");
  if (strlen(CCS argv[0]) >= sizeof value_in_use)
    return complain(yield, "qmail_verify_rcpt: the value is too long");
  const char* address = CCS argv[1];
  begin_session(CCS argv[0]);
  if (recipients_count == 0) begin_transaction(argc == 3 ? CCS argv[2] : "");
  memset(&result, 0, sizeof result);
  if (sender_host_authenticated != NULL) return yield_reply(yield); /* it may relay */
  (void)verifyrcpt_rcpt(&verify, address, strlen(address), &result);
  hook_log_result(&verify, &result, address, strlen(address), log_line);
  return yield_reply(yield);
}

QV_EXPORT int qmail_verify_data(uschar** yield, int argc, uschar* argv[]) {
  (void)argv;
  if (argc != 0) return complain(yield, "qmail_verify_data: takes no argument");
  (void)verifyrcpt_data(&verify, &result);
  hook_log_result(&verify, &result, "", 0, log_line);
  return yield_reply(yield);
}
