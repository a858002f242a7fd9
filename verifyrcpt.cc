// SPDX-License-Identifier: 0BSD
#include "verifyrcpt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iterator>
#include <new>
#include <type_traits>

#include "core/clock.h"
#include "core/text.h"
#include "core/text_writer.h"
#include "verifyask.h"
#include "verifyvalue.h"

namespace qv {
namespace {

static_assert(VERIFYRCPT_VALID == static_cast<int>(wire::datagram::Result::valid));
static_assert(VERIFYRCPT_NOT_VALID == static_cast<int>(wire::datagram::Result::not_valid));
static_assert(VERIFYRCPT_UNDECIDED == static_cast<int>(wire::datagram::Result::undecided));
static_assert(VERIFYRCPT_USER_SIZE > wire::datagram::kMaxUser);
static_assert(VERIFYRCPT_WHY_SIZE > wire::datagram::kMaxWhy);
static_assert(VERIFYRCPT_REPLY_SIZE > wire::datagram::kMaxText + sizeof "550 5.1.1 ");
static_assert(VERIFYRCPT_SERVER_SIZE >= kEndpointText);

// Something the client said, for later queries.
template <std::size_t kSize>
struct Text {
  std::size_t length;
  char bytes[kSize];

  void set(std::string_view s) {
    // Cut short it would be another name.
    length = s.size() < kSize ? s.size() : 0;
    if (length != 0) memcpy(bytes, s.data(), length);
  }
  [[nodiscard]] std::string_view view() const { return {bytes, length}; }
};

// The contents of a struct verifyrcpt.  Plain data: C programs neither construct nor destroy it.
struct Session {
  int mode;
  bool deferred;  // DEFER, and a recipient of this transaction was not valid
  bool fail_fast;
  std::uint32_t bad;  // recipients of this session that were not valid
  VerifyValue value;
  ServerSockets sockets;
  ServerStates unanswered;  // of the last question, where no server answered it
  Text<64> client;
  Text<256> helo;
  Text<512> sender;
  char reason[512];
};

static_assert(sizeof(Session) <= sizeof(verifyrcpt));
static_assert(alignof(Session) <= alignof(verifyrcpt));
static_assert(std::is_trivially_copyable_v<Session> && std::is_trivially_destructible_v<Session>);

Session& session_of(verifyrcpt* v) { return *std::launder(reinterpret_cast<Session*>(v)); }
const Session& session_of(const verifyrcpt* v) {
  return *std::launder(reinterpret_cast<const Session*>(v));
}

std::string_view given(const char* bytes, std::size_t length) {
  return bytes == nullptr ? std::string_view() : std::string_view(bytes, length);
}

int start(Session& session, const char* value, std::size_t length, bool relay_client) {
  TextWriter reason(session.reason, sizeof session.reason);
  if (relay_client || value == nullptr) return session.mode = VERIFYRCPT_OFF;
  if (length == 0) {
    reason.put("VERIFY=\"\" verifies nothing; to verify write VERIFY=\":\"");
    return session.mode = VERIFYRCPT_OFF;
  }
  const auto mistake = parse_verify_value({value, length}, session.value);
  if (!mistake) return session.mode = VERIFYRCPT_ON;
  reason.put("VERIFY: \"").put_escaped(mistake->item, 200).put("\": ").put(mistake->rule);
  return session.mode = VERIFYRCPT_MISCONFIGURED;
}

// Says how to write the settings of before 1.30 in VERIFY.
int refuse_old_settings(Session& session, const char* defer, const char* server) {
  TextWriter reason(session.reason, sizeof session.reason);
  reason.put(defer != nullptr ? "VERIFYDEFER" : "").put(defer && server ? " and " : "");
  reason.put(server != nullptr ? "VERIFYSVR" : "").put(" not read since 1.30: write VERIFY=\"");
  const bool named = server != nullptr && server[0] != '\0';
  if (defer != nullptr) reason.put(named ? "DEFER," : "DEFER");
  if (named) reason.put_escaped(server, 200);
  if (defer == nullptr && !named) reason.put(":");
  reason.put("\" instead");
  return session.mode = VERIFYRCPT_MISCONFIGURED;
}

void reset(Session& session) {
  session.deferred = false;
  session.sender.set({});
}

void clear(verifyrcpt_result& r, int verdict, std::string_view why) {
  memset(&r, 0, sizeof r);
  r.verdict = verdict;
  TextWriter(r.why, sizeof r.why).put(why);
}

// `status`: code and enhanced code.  `text`: the server's sentence, if it sent one.
int reply_with(verifyrcpt_result& r, std::string_view status, std::string_view text,
               std::string_view otherwise) {
  r.code = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  TextWriter(r.reply, sizeof r.reply).put(status).put(" ").put(text.empty() ? otherwise : text);
  return r.code;
}

// By Asked.
constexpr std::string_view kWhys[] = {"", "timeout", "legacy-reply", "unreachable", "system-error"};

// Asks the servers and sets verdict, server, why and user of `r`.  Returns the answer's sentence
// for the client, if it has one.
std::string_view ask(Session& session, std::string_view address, Inquiry& inquiry,
                     verifyrcpt_result& r) {
  const wire::datagram::Query query{.address = address,
                                    .id = {},
                                    .client = session.client.view(),
                                    .helo = session.helo.view(),
                                    .sender = session.sender.view()};
  const Pace pace = session.fail_fast ? Pace::fail_fast : Pace::whole_time;
  const Asked asked = ask_servers(session.value, session.sockets, query, pace, inquiry);
  format_endpoint(session.value.server[inquiry.server], r.server, sizeof r.server);
  TextWriter why(r.why, sizeof r.why);
  if (asked != Asked::answered) {
    session.unanswered = inquiry.states;
    why.put(kWhys[static_cast<std::size_t>(asked)]);
    return {};
  }
  r.verdict = static_cast<int>(inquiry.reply.result);
  why.put(inquiry.reply.id.empty() ? "legacy" : inquiry.reply.why);
  TextWriter(r.user, sizeof r.user).put(inquiry.reply.user);
  return inquiry.reply.text;
}

// The SMTP server's next step.
int decide(Session& session, std::string_view text, verifyrcpt_result& r) {
  if (r.verdict == VERIFYRCPT_VALID) return 0;
  if (r.verdict == VERIFYRCPT_UNDECIDED) {
    if (session.value.tempok) return 0;
    return reply_with(r, "451 4.3.0", text, "cannot verify this recipient now, try again later");
  }
  ++session.bad;
  if (session.value.defer) {
    session.deferred = true;
    return 0;
  }
  r.delay = session.value.badsleep;
  return reply_with(r, "550 5.1.1", text, "no such recipient here");
}

// The reason why an address that no datagram can carry is not valid, as the servers would put it;
// or null.
const char* reason_against(std::string_view address) {
  if (address.size() > wire::datagram::kMaxAddress) return "too-long";
  return find_byte(address, '\0') != address.size() ? "syntax" : nullptr;
}

int rcpt(Session& session, std::string_view address, verifyrcpt_result& r) {
  session.unanswered = {};
  if (session.mode == VERIFYRCPT_MISCONFIGURED) {
    clear(r, VERIFYRCPT_NOT_ASKED, "misconfigured");
    return reply_with(r, "421 4.3.5", {}, "recipient verification is not configured properly");
  }
  clear(r, VERIFYRCPT_NOT_ASKED, {});
  if (session.mode != VERIFYRCPT_ON) return 0;
  if (session.value.maxbad != 0 && session.bad >= session.value.maxbad) {
    clear(r, VERIFYRCPT_NOT_ASKED, "maxbad");
    r.delay = session.value.badsleep;
    return reply_with(r, "421 4.7.0", {}, "too many recipients refused, closing");
  }
  if (const char* why = reason_against(address); why != nullptr) {
    clear(r, VERIFYRCPT_NOT_VALID, why);
    return decide(session, {}, r);
  }
  const std::int64_t before_us = monotonic_us();
  Inquiry inquiry;
  clear(r, VERIFYRCPT_UNDECIDED, {});
  const std::string_view text = ask(session, address, inquiry, r);
  r.micros = static_cast<std::uint32_t>(monotonic_us() - before_us);
  return decide(session, text, r);
}

// The result of asking a server, for people; empty: an error without words here.  Not strerror():
// its result is shared by threads and depends on the locale.
std::string_view words_of(const ServerState& state) {
  using Kind = ServerState::Kind;
  struct Words {
    int error;
    std::string_view text;
  };
  static constexpr Words kErrors[] = {{ECONNREFUSED, "connection refused"},
                                      {ENOENT, "no such socket"},
                                      {EACCES, "permission denied"},
                                      {EPERM, "permission denied"},
                                      {ENETUNREACH, "network unreachable"},
                                      {EHOSTUNREACH, "host unreachable"},
                                      {EAFNOSUPPORT, "address family not supported"}};
  if (state.kind == Kind::silent) return "no reply";
  if (state.kind == Kind::legacy) return "reply without an id";
  for (const Words& words : kErrors) {
    if (words.error == state.error) return words.text;
  }
  return {};
}

// By verdict.
constexpr std::string_view kResults[] = {"valid", "not-valid", "undecided", "not-asked"};

}  // namespace
}  // namespace qv

using namespace qv;

int verifyrcpt_init(verifyrcpt* v, const char* value, size_t length, int relay_client) {
  Session& session = *new (v) Session{};
  start_sockets(session.sockets);
  return start(session, value, length, relay_client != 0);
}

int verifyrcpt_init_env(verifyrcpt* v) {
  const bool relay_client = getenv("RELAYCLIENT") != nullptr;
  const char* defer = getenv("VERIFYDEFER");
  const char* server = getenv("VERIFYSVR");
  const char* value = getenv("VERIFY");
  const char* ip = getenv("TCPREMOTEIP");
  const int mode = verifyrcpt_init(v, value, value == nullptr ? 0 : strlen(value), relay_client);
  Session& session = session_of(v);
  if (ip != nullptr) session.client.set(ip);
  const bool old = defer != nullptr || server != nullptr;
  return old && !relay_client ? refuse_old_settings(session, defer, server) : mode;
}

const char* verifyrcpt_reason(const verifyrcpt* v) { return session_of(v).reason; }

void verifyrcpt_client(verifyrcpt* v, const char* ip, size_t length) {
  session_of(v).client.set(given(ip, length));
}

void verifyrcpt_helo(verifyrcpt* v, const char* name, size_t length) {
  reset(session_of(v));
  session_of(v).helo.set(given(name, length));
}

void verifyrcpt_mail(verifyrcpt* v, const char* sender, size_t length) {
  reset(session_of(v));
  session_of(v).sender.set(given(sender, length));
}

void verifyrcpt_reset(verifyrcpt* v) { reset(session_of(v)); }

int verifyrcpt_rcpt(verifyrcpt* v, const char* address, size_t length, verifyrcpt_result* r) {
  return rcpt(session_of(v), given(address, length), *r);
}

int verifyrcpt_data(verifyrcpt* v, verifyrcpt_result* r) {
  Session& session = session_of(v);
  clear(*r, VERIFYRCPT_NOT_ASKED, {});
  if (!session.deferred) return 0;
  clear(*r, VERIFYRCPT_NOT_VALID, "deferred");
  r->delay = session.value.badsleep;
  return reply_with(*r, "554 5.1.1", {}, "a recipient of this message does not exist");
}

void verifyrcpt_fail_fast(verifyrcpt* v) { session_of(v).fail_fast = true; }

size_t verifyrcpt_unanswered(const verifyrcpt* v, char* out, size_t size) {
  const Session& session = session_of(v);
  TextWriter list(out, size);
  for (std::size_t i = 0; i < session.value.servers; ++i) {
    const ServerState& state = session.unanswered[i];
    if (state.kind == ServerState::Kind::not_asked) continue;
    char server[kEndpointText];
    const std::size_t length = format_endpoint(session.value.server[i], server, sizeof server);
    if (!list.text().empty()) list.put(", ");
    const std::string_view words = words_of(state);
    list.put_escaped({server, length}).put(words.empty() ? " (error " : " (").put(words);
    if (words.empty()) list.put_number(static_cast<std::uint64_t>(state.error));
    list.put(")");
  }
  return list.text().size();
}

size_t verifyrcpt_log(const verifyrcpt* v, const verifyrcpt_result* r, const char* address,
                      size_t length, char* out, size_t size) {
  TextWriter line(out, size);
  const auto verdict = static_cast<std::size_t>(r->verdict);
  line.put("result=").put(verdict < std::size(kResults) ? kResults[verdict] : "not-asked");
  line.put(" why=").put_value(r->why);
  line.put(" code=").put_number(static_cast<std::uint64_t>(r->code));
  line.put(" rcpt=").put_value(given(address, length), 1000);
  line.put(" user=").put_value(r->user);
  line.put(" client=").put_value(session_of(v).client.view(), 200);
  line.put(" server=").put_value(r->server, 200);
  line.put(" us=").put_number(r->micros);
  return line.text().size();
}

void verifyrcpt_close(verifyrcpt* v) {
  Session& session = session_of(v);
  if (session.mode == VERIFYRCPT_ON) close_sockets(session.sockets);
  session.mode = VERIFYRCPT_OFF;
}
