// SPDX-License-Identifier: 0BSD
#include "verify/service.h"

#include <array>
#include <span>
#include <string>
#include <utility>

namespace qv {

namespace {

// Batches taken from one socket before the loop turns to the others.
constexpr int kBatchesPerTurn = 16;

}  // namespace

struct VerifyService::Port {
  explicit Port(DatagramSocket s) : socket(std::move(s)) {}
  DatagramSocket socket;
  Loop::Owned watch;  // none while the port is busy
  Loop::Owned again;
};

struct VerifyService::Incoming {
  DatagramSocket::Datagram datagram;
  datagram::Parsed form = datagram::Parsed::legacy;
  datagram::Query query;
  CdbPrefetch prefetch;
};

VerifyService::VerifyService(Loop& loop, const Options& options, Verifier& verifier, LogWriter& log)
    : loop_(loop), options_(options), verifier_(verifier), log_(log) {}

VerifyService::~VerifyService() = default;

Result<void> VerifyService::serve(Fd bound) {
  QV_TRY(DatagramSocket socket, DatagramSocket::adopt(std::move(bound)));
  ports_.push_back(std::make_unique<Port>(std::move(socket)));
  watch(*ports_.back());
  return {};
}

void VerifyService::watch(Port& port) {
  port.watch = loop_.when_readable(port.socket.fd(), [this, &port] { on_readable(port); });
}

// A port that had more than one turn's worth is read again next turn without being watched: as long
// as somebody waits for a socket, the kernel looks who is to be woken at each reply that leaves.
void VerifyService::on_readable(Port& port) {
  int count = DatagramSocket::kBatch;
  for (int turn = 0; turn < kBatchesPerTurn && count == DatagramSocket::kBatch; ++turn) {
    count = port.socket.receive();
    answer_batch(port, count);
  }
  log_.flush();
  if (count == DatagramSocket::kBatch) {
    port.watch.reset();
    port.again = loop_.after(0, [this, &port] { on_readable(port); });
  } else if (port.watch == nullptr) {
    port.again.reset();
    watch(port);
  }
}

void VerifyService::answer_batch(Port& port, int count) {
  if (count == 0) return;
  const std::int64_t now = loop_.now_us();
  verifier_.refresh(now);
  std::array<Incoming, DatagramSocket::kBatch> batch;
  const std::span<Incoming> came(batch.data(), static_cast<std::size_t>(count));
  int i = 0;
  for (Incoming& each : came) {
    each.datagram = port.socket.received(i++);
    each.form = datagram::parse_query(each.datagram.bytes, each.datagram.truncated, each.query);
    each.prefetch = verifier_.prefetch(each.query.address);
  }
  for (const Incoming& each : came) each.prefetch.fetch_record();
  for (const Incoming& each : came) answer_one(port, each, now);
  port.socket.flush();
}

void VerifyService::answer_one(Port& port, const Incoming& incoming, std::int64_t now) {
  const datagram::Query& query = incoming.query;
  const Peer& peer = *incoming.datagram.peer;
  VerifyCounters& counters = verifier_.counters();
  ++(query.id.empty() ? counters.legacy : counters.extended);
  if (incoming.form == datagram::Parsed::too_long) {
    ++counters.too_long;
    return finish(port, peer, query, decided_without_looking(Why::too_long), now);
  }
  const Decision decision = verifier_.decide(query.address, now);
  if (!decision.pending) return finish(port, peer, query, decision, now);
  // The datagram as it came, parsed again when its decision is there.
  auto done = [this, &port, peer, bytes = std::string(incoming.datagram.bytes),
               now](const Decision& late) {
    datagram::Query again;
    static_cast<void>(datagram::parse_query(bytes, false, again));
    finish(port, peer, again, late, now);
    flush_soon();
  };
  if (verifier_.park(decision, {std::string(query.address), now, std::move(done)}) ==
      Verifier::Parked::no_room) {
    finish(port, peer, query, decided_without_looking(Why::timeout), now);
  }
}

void VerifyService::finish(Port& port, const Peer& peer, const datagram::Query& query,
                           const Decision& decision, std::int64_t asked_at_us) {
  datagram::Reply reply;
  reply.result = names_of(decision.verdict()).result;
  reply.position = decision.position;
  reply.user = decision.user.view();
  reply.id = query.id;
  reply.why = why_word(decision.why);
  reply.text = decision.reply_text();
  std::string_view told;
  if (query.id.empty() && reply.result == datagram::Result::undecided) {
    const bool ok = options_.legacytemp == LegacyTemp::ok;
    const VerdictNames& names = names_of(ok ? Verdict::accept : Verdict::reject);
    reply.result = names.result;
    told = names.word;
    if (options_.legacytemp == LegacyTemp::silent) told = "nothing";
  }
  if (told == "nothing") {
    ++verifier_.counters().silent;
  } else {
    port.socket.commit(peer, datagram::encode_reply(reply, port.socket.prepare()));
  }
  Asked asked;
  asked.address = query.address;
  asked.client = query.client;
  asked.at_us = asked_at_us;
  verifier_.record(asked, decision, told);
}

std::uint64_t VerifyService::unsent() const {
  std::uint64_t count = 0;
  for (const std::unique_ptr<Port>& port : ports_) count += port->socket.dropped();
  return count;
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
