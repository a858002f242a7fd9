/* SPDX-License-Identifier: 0BSD */
/* hooks/milter/rcptmilter.c - asks qmail-verify about every recipient an MTA with milters is given.
 *
 * For Sendmail, Postfix and other speakers of the milter protocol, by libmilter and verifyrcpt.h.
 * One struct session is one SMTP session, which runs in a thread of its own.  Threads share only
 * the settings, read before they begin, and the counters.
 *
 * Blocks, in the thread of the session, as long as VERIFY allows.
 * Manual: rcptmilter(8).  Tests: tests/e2e/milter.py
 */
#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hooks/hook.h"

/* Longer than any address that the verifier accepts. */
enum { kMaxAddress = 2048, kMaxText = 2 * VERIFYRCPT_REPLY_SIZE };
enum { kExitPermanent = 100, kExitTemporary = 111 };

struct session {
  verifyrcpt verify;
  verifyrcpt_result result;
  int client_known;
  char address[kMaxAddress];
};

/* Set by main() before there are threads. */
static const char* verify_value;
static int old_settings;

/* Since the start. */
enum counter {
  kSessions,
  kOpen,
  kValid,
  kNotValid,
  kUndecided,
  kNotAsked,
  kAuthenticated,
  kRefused,
  kDeferred,
  kCounters
};
static const char* const counter_names[kCounters] = {"sessions",      "open",      "valid",
                                                     "not_valid",     "undecided", "not_asked",
                                                     "authenticated", "refused",   "deferred"};
static atomic_ullong counters[kCounters];

static void count(enum counter which) { (void)atomic_fetch_add(&counters[which], 1); }

static void log_line(const char* text) { hook_write_line("rcptmilter", text); }

static void log_counters(void) {
  char line[32 * (kCounters + 1)] = "counters";
  size_t used = strlen(line);
  for (int i = 0; i < kCounters; ++i)
    used += (size_t)snprintf(line + used, sizeof line - used, " %s=%llu", counter_names[i],
                             atomic_load(&counters[i]));
  log_line(line);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* `@one,@two:box@three` is box@three. */
static const char* after_route(const char* text) {
  const char* colon = text[0] == '@' ? strchr(text, ':') : NULL;
  return colon == NULL ? text : colon + 1;
}

/* The address of `<...>`, unquoted.  Cut where it does not fit: it is refused as too long anyway.
 */
static void plain_address(const char* text, char* out, size_t size) {
  size_t used = 0;
  int quoted = 0;
  const char* in = after_route(text[0] == '<' ? text + 1 : text);
  for (; *in != '\0' && used + 1 < size; ++in) {
    if (*in == '>' && !quoted && text[0] == '<') break;
    if (*in == '"') {
      quoted = !quoted;
      continue;
    }
    if (*in == '\\' && in[1] != '\0') ++in;
    out[used++] = *in;
  }
  out[used] = '\0';
}

/* ---- replies --------------------------------------------------------------------------------- */

/* "550 5.1.1 text" as the three arguments of smfi_setreply(), which wants each % doubled. */
static void set_reply(SMFICTX* ctx, const char* reply) {
  char code[4] = {0};
  char enhanced[12] = {0};
  char text[kMaxText];
  int skip = 0;
  size_t used = 0;
  if (sscanf(reply, "%3s %11s %n", code, enhanced, &skip) != 2) return;
  for (const char* in = reply + skip; *in != '\0' && used + 2 < sizeof text; ++in) {
    text[used++] = *in;
    if (*in == '%') text[used++] = '%';
  }
  text[used] = '\0';
  (void)smfi_setreply(ctx, code, enhanced, text);
}

/* The MTA's next step.  After 421 Sendmail and Postfix close the session by themselves. */
static sfsistat answer(SMFICTX* ctx, const struct session* s) {
  if (s->result.code == 0) return SMFIS_CONTINUE;
  count(s->result.code >= 500 ? kRefused : kDeferred);
  hook_sleep(s->result.delay);
  set_reply(ctx, s->result.reply);
  return s->result.code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/* ---- what the MTA calls ---------------------------------------------------------------------- */

static struct session* session_of(SMFICTX* ctx) { return smfi_getpriv(ctx); }

static void set_client(struct session* s, const char* ip) {
  if (ip == NULL || ip[0] == '\0') return;
  if (strncmp(ip, "IPv6:", 5) == 0) ip += 5;
  verifyrcpt_client(&s->verify, ip, strlen(ip));
  s->client_known = 1;
}

static void set_peer(struct session* s, const struct sockaddr* peer) {
  char text[INET6_ADDRSTRLEN];
  const char* ip = NULL;
  if (peer == NULL) return;
  if (peer->sa_family == AF_INET)
    ip = inet_ntop(AF_INET, &((const struct sockaddr_in*)(const void*)peer)->sin_addr, text,
                   sizeof text);
  if (peer->sa_family == AF_INET6)
    ip = inet_ntop(AF_INET6, &((const struct sockaddr_in6*)(const void*)peer)->sin6_addr, text,
                   sizeof text);
  set_client(s, ip);
}

static sfsistat on_close(SMFICTX* ctx) {
  struct session* s = session_of(ctx);
  if (s == NULL) return SMFIS_CONTINUE;
  (void)atomic_fetch_sub(&counters[kOpen], 1);
  verifyrcpt_close(&s->verify);
  (void)smfi_setpriv(ctx, NULL);
  free(s);
  return SMFIS_CONTINUE;
}

static void begin(struct session* s) {
  /* The library itself reads VERIFYDEFER and VERIFYSVR and says what replaced them.  Nothing writes
   * to the environment once threads run. */
  if (old_settings)
    (void)verifyrcpt_init_env(&s->verify);
  else
    (void)verifyrcpt_init(&s->verify, verify_value, verify_value ? strlen(verify_value) : 0, 0);
}

static sfsistat on_connect(SMFICTX* ctx, char* host, _SOCK_ADDR* peer) {
  (void)host;
  (void)on_close(ctx); /* an MTA may begin another session on the same connection */
  struct session* s = calloc(1, sizeof *s);
  if (s == NULL || smfi_setpriv(ctx, s) != MI_SUCCESS) {
    free(s);
    return SMFIS_TEMPFAIL;
  }
  count(kSessions);
  count(kOpen);
  begin(s);
  set_peer(s, peer);
  return SMFIS_CONTINUE;
}

static sfsistat on_helo(SMFICTX* ctx, char* name) {
  struct session* s = session_of(ctx);
  if (s == NULL) return SMFIS_TEMPFAIL;
  verifyrcpt_helo(&s->verify, name, name == NULL ? 0 : strlen(name));
  return SMFIS_CONTINUE;
}

static sfsistat on_mail(SMFICTX* ctx, char** words) {
  struct session* s = session_of(ctx);
  if (s == NULL) return SMFIS_TEMPFAIL;
  plain_address(words[0], s->address, sizeof s->address);
  verifyrcpt_mail(&s->verify, s->address, strlen(s->address));
  return SMFIS_CONTINUE;
}

/* Authenticated clients may relay. */
static int may_relay(SMFICTX* ctx) {
  const char* type = smfi_getsymval(ctx, "{auth_type}");
  return type != NULL && type[0] != '\0';
}

static sfsistat on_rcpt(SMFICTX* ctx, char** words) {
  struct session* s = session_of(ctx);
  if (s == NULL) return SMFIS_TEMPFAIL;
  if (may_relay(ctx)) {
    count(kAuthenticated);
    return SMFIS_CONTINUE;
  }
  if (!s->client_known) set_client(s, smfi_getsymval(ctx, "{client_addr}"));
  plain_address(words[0], s->address, sizeof s->address);
  (void)verifyrcpt_rcpt(&s->verify, s->address, strlen(s->address), &s->result);
  count((enum counter)(kValid + (unsigned)s->result.verdict)); /* in the same order */
  hook_log_result(&s->verify, &s->result, s->address, strlen(s->address), log_line);
  return answer(ctx, s);
}

/* The refusal of DEFER: at DATA, or, where the MTA does not report DATA, at the end of the message.
 */
static sfsistat refuse_data(SMFICTX* ctx) {
  struct session* s = session_of(ctx);
  if (s == NULL) return SMFIS_TEMPFAIL;
  (void)verifyrcpt_data(&s->verify, &s->result);
  hook_log_result(&s->verify, &s->result, "", 0, log_line);
  return answer(ctx, s);
}

static sfsistat on_abort(SMFICTX* ctx) {
  struct session* s = session_of(ctx);
  if (s != NULL) verifyrcpt_reset(&s->verify);
  return SMFIS_CONTINUE;
}

/* ---- the program ----------------------------------------------------------------------------- */

static int fail(const char* what, const char* value) {
  char line[512];
  (void)snprintf(line, sizeof line, "fatal: %s: %s", what, value);
  log_line(line);
  return kExitTemporary;
}

/* Logs errors in VERIFY once.  They are no reason to exit: an MTA that cannot reach its milter may
 * be configured to accept everything, while this one answers 421. */
static void log_reason(void) {
  static struct session s;
  if (verify_value == NULL && !old_settings) log_line("VERIFY is not set: nothing is verified");
  begin(&s);
  if (verifyrcpt_reason(&s.verify)[0] != '\0') log_line(verifyrcpt_reason(&s.verify));
  verifyrcpt_close(&s.verify);
}

static void block_signal(int number) {
  sigset_t signals;
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, number);
  (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* SIGUSR1 is blocked in every thread, and this one waits for it: a handler could not log. */
static void* wait_for_usr1(void* unused) {
  sigset_t usr1;
  int number = 0;
  (void)sigemptyset(&usr1);
  (void)sigaddset(&usr1, SIGUSR1);
  while (sigwait(&usr1, &number) == 0) log_counters();
  return unused;
}

static int start_usr1_thread(void) {
  pthread_t thread;
  return pthread_create(&thread, NULL, wait_for_usr1, NULL) == 0 && pthread_detach(thread) == 0;
}

/* Octal, as chmod(1) has it; -1 where it is not. */
static long parse_mode(const char* text) {
  char* end = NULL;
  const long mode = strtol(text, &end, 8);
  return text[0] == '\0' || *end != '\0' || mode < 0 || mode > 0777 ? -1 : mode;
}

static int serve(void) {
  static char name[] = "rcptmilter";
  const struct smfiDesc filter = {.xxfi_name = name,
                                  .xxfi_version = SMFI_VERSION,
                                  .xxfi_flags = 0,
                                  .xxfi_connect = on_connect,
                                  .xxfi_helo = on_helo,
                                  .xxfi_envfrom = on_mail,
                                  .xxfi_envrcpt = on_rcpt,
                                  .xxfi_eom = refuse_data,
                                  .xxfi_abort = on_abort,
                                  .xxfi_close = on_close,
                                  .xxfi_data = refuse_data};
  const char* listen = getenv("LISTEN");
  const char* mode = getenv("LISTENMODE");
  char address[512];
  if (listen == NULL) listen = "inet:11114@127.0.0.1";
  if (strlen(listen) >= sizeof address) return fail("LISTEN", "too long");
  (void)strcpy(address, listen); /* libmilter wants to be able to write to it */
  if (parse_mode(mode == NULL ? "660" : mode) < 0) return fail("LISTENMODE", mode);
  (void)umask(0777 & ~(mode_t)parse_mode(mode == NULL ? "660" : mode));
  if (smfi_setconn(address) != MI_SUCCESS) return fail("LISTEN", listen);
  if (smfi_register(filter) != MI_SUCCESS) return fail("libmilter", "refuses to register us");
  /* A thread of libmilter waits for these.  They are blocked in all others, and before an MTA can
   * connect, so that libmilter handles SIGTERM from then on. */
  block_signal(SIGHUP);
  block_signal(SIGINT);
  block_signal(SIGTERM);
  if (smfi_opensocket(1) != MI_SUCCESS) return fail("cannot listen on", listen);
  if (!start_usr1_thread()) return fail("cannot start a thread", "pthread_create");
  return smfi_main() == MI_SUCCESS ? 0 : fail("libmilter", "ended");
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0)
    return puts("rcptmilter " QV_VERSION) < 0 ? kExitTemporary : 0;
  if (argc != 1) {
    (void)fputs(
        "usage: rcptmilter [--version]\nsettings are environment variables: rcptmilter(8)\n",
        stderr);
    return kExitPermanent;
  }
  block_signal(SIGUSR1); /* first, so that an early one stays pending */
  verify_value = getenv("VERIFY");
  old_settings = getenv("VERIFYDEFER") != NULL || getenv("VERIFYSVR") != NULL;
  (void)unsetenv("RELAYCLIENT"); /* said of one SMTP session, and this is many */
  (void)unsetenv("TCPREMOTEIP");
  log_reason();
  return serve();
}
