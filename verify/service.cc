// SPDX-License-Identifier: 0BSD
#include "verify/service.h"

#include <string>
#include <utility>

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

// Batches taken from one socket before the loop turns to the others.
constexpr int kBatchesPerTurn = 16;
constexpr std::int64_t kSweepUs = 500000;

datagram::Result to_result(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      return datagram::Result::valid;
    case Verdict::reject:
      return datagram::Result::not_valid;
    case Verdict::defer:
      return datagram::Result::undecided;
  }
  return datagram::Result::undecided;
}

std::string_view result_word(datagram::Result result) {
  switch (result) {
    case datagram::Result::valid:
      return "valid";
    case datagram::Result::not_valid:
      return "notvalid";
    case datagram::Result::undecided:
      return "undecided";
  }
  return "undecided";
}

Decision without_looking(Why why) {
  Decision decision;
  decision.why = why;
  return decision;
}

}  // namespace

struct VerifyService::Port {
  explicit Port(DatagramSocket s) : socket(std::move(s)) {}
  DatagramSocket socket;
  Loop::Owned watch;
};

// A query whose decision waits for a helper: the datagram as it came, parsed again each time.
struct VerifyService::Parked {
  Port* port = nullptr;
  Peer peer;
  std::string bytes;
  std::int64_t asked_at_us = 0;
  bool answered = true;  // nobody waits for it: not in use, or given up
};

VerifyService::VerifyService(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log)
    : loop_(loop),
      options_(options),
      log_(log),
      lookups_(loop, pool, options.cache_ttl_us, PasswdPaths{},
               [this](std::uint32_t number) { decide_again(number); }),
      judge_(options),
      sweep_(loop.every(kSweepUs, [this] {
        give_up_overdue();
        refresh(loop_.now_us());
      })) {}

VerifyService::~VerifyService() = default;

Result<void> VerifyService::serve(Fd bound) {
  QV_TRY(DatagramSocket socket, DatagramSocket::adopt(std::move(bound)));
  ports_.push_back(std::make_unique<Port>(std::move(socket)));
  Port& port = *ports_.back();
  port.watch = loop_.when_readable(port.socket.fd(), [this, &port] { on_readable(port); });
  refresh(loop_.now_us());
  return {};
}

void VerifyService::reload() {
  judge_.force();
  lookups_.forget();
  refresh(loop_.now_us());
  log_.flush();
}

void VerifyService::refresh(std::int64_t now) {
  std::vector<Problem> problems;
  judge_.refresh(now, problems);
  for (const Problem& problem : problems) {
    LogLine line("config");
    line.add("file", problem.where);
    if (problem.line > 0) line.add("line", problem.line);
    log_.write(line.add("problem", problem.text));
  }
}

void VerifyService::on_readable(Port& port) {
  for (int turn = 0; turn < kBatchesPerTurn; ++turn) {
    const int count = port.socket.receive();
    answer_batch(port, count);
    if (count < DatagramSocket::kBatch) break;
  }
  log_.flush();
}

void VerifyService::answer_batch(Port& port, int count) {
  if (count == 0) return;
  const std::int64_t now = loop_.now_us();
  refresh(now);
  for (int i = 0; i < count; ++i) answer_one(port, i, now);
  port.socket.flush();
}

void VerifyService::answer_one(Port& port, int i, std::int64_t now) {
  datagram::Query query;
  const datagram::Parsed form =
      datagram::parse_query(port.socket.bytes(i), port.socket.truncated(i), query);
  if (form == datagram::Parsed::too_long) {
    finish(port, port.socket.peer(i), query, without_looking(Why::too_long), now);
    return;
  }
  lookups_.begin(now);
  const Decision decision = judge_.decide(query.address, lookups_);
  if (decision.pending) {
    park(port, i, query, now);
    return;
  }
  finish(port, port.socket.peer(i), query, decision, now);
}

void VerifyService::finish(Port& port, const Peer& peer, const datagram::Query& query,
                           const Decision& decision, std::int64_t asked_at_us) {
  datagram::Reply reply;
  reply.result = to_result(decision.verdict());
  reply.position = decision.position;
  reply.user = decision.user.view();
  reply.id = query.id;
  reply.why = why_word(decision.why);
  reply.text = decision.reply_text();
  const datagram::Result truth = reply.result;
  const bool untold = query.id.empty() && truth == datagram::Result::undecided;
  const bool silent = untold && options_.legacytemp == LegacyTemp::silent;
  if (untold) {
    reply.result = options_.legacytemp == LegacyTemp::ok ? datagram::Result::valid
                                                         : datagram::Result::not_valid;
  }
  if (!silent) port.socket.commit(peer, datagram::encode_reply(reply, port.socket.prepare()));

  if (options_.log == LogWhat::none) return;
  if (options_.log == LogWhat::reject && truth == datagram::Result::valid) return;
  LogLine line("verify");
  line.add("result", result_word(truth)).add("why", reply.why).add("rcpt", query.address);
  if (!reply.user.empty()) line.add("user", reply.user);
  if (!query.client.empty()) line.add("client", query.client);
  line.add("pos", decision.position).add("us", loop_.now_us() - asked_at_us);
  if (untold) line.add("told", silent ? "nothing" : result_word(reply.result));
  log_.write(line);
}

void VerifyService::park(Port& port, int i, const datagram::Query& query, std::int64_t now) {
  if (free_.empty() && parked_.size() < kMaxParked) {
    free_.push_back(static_cast<std::uint32_t>(parked_.size()));
    parked_.push_back(std::make_unique<Parked>());
  }
  if (free_.empty()) {
    finish(port, port.socket.peer(i), query, without_looking(Why::timeout), now);
    return;
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Parked& parked = *parked_[number];
  parked.port = &port;
  parked.peer = port.socket.peer(i);
  parked.bytes.assign(port.socket.bytes(i));
  parked.asked_at_us = now;
  parked.answered = false;
  lookups_.park(number);
}

void VerifyService::decide_again(std::uint32_t number) {
  Parked& parked = *parked_[number];
  if (!parked.answered) {
    datagram::Query query;
    static_cast<void>(datagram::parse_query(parked.bytes, false, query));
    lookups_.begin(parked.asked_at_us);
    const Decision decision = judge_.decide(query.address, lookups_);
    if (decision.pending) {
      lookups_.park(number);
      return;
    }
    finish(*parked.port, parked.peer, query, decision, parked.asked_at_us);
    flush_soon();
    parked.answered = true;
  }
  free_.push_back(number);
}

// A parked one that is given up keeps its number until the helper it waits for has been heard of.
void VerifyService::give_up_overdue() {
  const std::int64_t now = loop_.now_us();
  for (const std::unique_ptr<Parked>& parked : parked_) {
    if (parked->answered || now - parked->asked_at_us < kMaxParkedUs) continue;
    datagram::Query query;
    static_cast<void>(datagram::parse_query(parked->bytes, false, query));
    finish(*parked->port, parked->peer, query, without_looking(Why::timeout), parked->asked_at_us);
    flush_soon();
    parked->answered = true;
  }
}

// One answer of a helper may wake many: their replies go out together when the loop turns.
void VerifyService::flush_soon() {
  if (flush_) return;
  flush_ = loop_.after(0, [this] {
    flush_.reset();
    for (const std::unique_ptr<Port>& port : ports_) port->socket.flush();
    log_.flush();
  });
}

}  // namespace qv
