// SPDX-License-Identifier: 0BSD
#include "verify/service.h"

#include <errno.h>
#include <string.h>

#include <string>
#include <utility>

#include "core/check.h"
#include "core/fault.h"

namespace qv::verify {

namespace {

// Batches read from one socket before the loop turns to the others.
constexpr int kBatchesPerTurn = 16;

bool is_wildcard(int fd) {
  Peer self{};
  self.address_size = sizeof self.address;
  if (getsockname(fd, &self.address.any, &self.address_size) != 0) return false;
  if (self.address.any.sa_family == AF_INET) return self.address.in.sin_addr.s_addr == INADDR_ANY;
  return self.address.any.sa_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&self.address.in6.sin6_addr) != 0;
}

// A reply has to leave from the address that the query was sent to; the kernel chooses the
// interface.
void forget_interface(Peer& peer) {
  auto* message = reinterpret_cast<cmsghdr*>(peer.control.data());
  if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO) {
    in_pktinfo info{};
    memcpy(&info, CMSG_DATA(message), sizeof info);
    info.ipi_ifindex = 0;
    memcpy(CMSG_DATA(message), &info, sizeof info);
  }
}

}  // namespace

DatagramSocket::Slots::Slots() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    vectors[i] = {bytes.data() + i * kBuffer, kBuffer};
    msghdr& header = headers[i].msg_hdr;
    header.msg_name = &peers[i].address;
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
  }
}

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::adopt(Fd bound) {
  const bool wildcard = is_wildcard(bound.get());
  // A reply fits every path unfragmented.  This option keeps forged fragments out of it, and spares
  // the kernel the choice of an identification.  Not every kind of socket has it.
  const int whole = IP_PMTUDISC_PROBE;
  setsockopt(bound.get(), IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
  if (wildcard) {
    const int on = 1;
    const bool v4 = setsockopt(bound.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0;
    const bool v6 = setsockopt(bound.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0;
    if (!v4 && !v6) return errno_error("setsockopt");
  }
  return std::unique_ptr<DatagramSocket>(new DatagramSocket(std::move(bound), wildcard));
}

DatagramSocket::DatagramSocket(Fd fd, bool wildcard) : fd_(std::move(fd)) {
  for (std::size_t i = 0; wildcard && i < kBatch; ++i) {
    in_.headers[i].msg_hdr.msg_control = in_.peers[i].control.data();
  }
}

int DatagramSocket::receive() {
  for (mmsghdr& message : in_.headers) {
    message.msg_hdr.msg_namelen = sizeof(Peer::address);
    message.msg_hdr.msg_controllen =
        message.msg_hdr.msg_control != nullptr ? sizeof(Peer::control) : 0;
  }
  const int got = recvmmsg(fd_.get(), in_.headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  // An error of an earlier reply (ICMP) or EAGAIN: nothing to read either way.
  if (got <= 0) return 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    Peer& peer = in_.peers[i];
    const msghdr& header = in_.headers[i].msg_hdr;
    peer.address_size = header.msg_namelen;
    peer.control_size = header.msg_control != nullptr ? header.msg_controllen : 0;
    if (peer.control_size > 0) forget_interface(peer);
  }
  return got;
}

DatagramSocket::Datagram DatagramSocket::received(int i) const {
  const auto at = static_cast<std::size_t>(i);
  const mmsghdr& message = in_.headers[at];
  const bool truncated = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
                         message.msg_len > wire::datagram::kMaxDatagram;
  return {{in_.bytes.data() + at * kBuffer, message.msg_len}, truncated, &in_.peers[at]};
}

std::span<char> DatagramSocket::prepare() {
  if (queued_ == kBatch) flush();
  return {out_.bytes.data() + out_.used, kBuffer};
}

void DatagramSocket::commit(const Peer& peer, std::size_t size) {
  QV_CHECK(queued_ < kBatch && size <= kBuffer);
  if (peer.address_size == 0) return;  // an unnamed Unix socket: nowhere to send to
  const auto at = static_cast<std::size_t>(queued_++);
  Peer& to = out_.peers[at];
  msghdr& header = out_.headers[at].msg_hdr;
  memcpy(&to.address, &peer.address, peer.address_size);
  header.msg_namelen = peer.address_size;
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  if (peer.control_size > 0) {
    to.control = peer.control;
    header.msg_control = to.control.data();
    header.msg_controllen = peer.control_size;
  }
  out_.vectors[at] = {out_.bytes.data() + out_.used, size};
  out_.used += size;
}

void DatagramSocket::flush() {
  int next = 0;
  while (next < queued_) {
    const int sent = sendmmsg(fd_.get(), out_.headers.data() + next,
                              static_cast<unsigned>(queued_ - next), MSG_DONTWAIT);
    if (sent > 0) {
      next += sent;
    } else if (errno != EINTR) {
      ++next;  // this one cannot be sent: its peer is gone, a buffer is full
      ++dropped_;
    }
  }
  queued_ = 0;
  out_.used = 0;
}

// ---- queries ------------------------------------------------------------------------------------

VerifyService::VerifyService(event::Loop& loop, const Options& options, Verifier& verifier,
                             process::LogWriter& log, std::unique_ptr<DatagramSocket> socket)
    : loop_(loop), options_(options), verifier_(verifier), log_(log), socket_(std::move(socket)) {
  watch();
}

void VerifyService::watch() {
  watch_ = loop_.when_readable(socket_->fd(), [this] { on_readable(); });
}

// A socket with more than one turn's worth is read again in the next turn without being watched:
// while a process waits for a socket, the kernel searches for waiters at each reply that leaves.
void VerifyService::on_readable() {
  int count = DatagramSocket::kBatch;
  for (int turn = 0; turn < kBatchesPerTurn && count == DatagramSocket::kBatch; ++turn) {
    count = socket_->receive();
    answer_batch(count);
  }
  log_.flush();
  if (count == DatagramSocket::kBatch) {
    watch_.reset();
    again_ = loop_.after(0, [this] { on_readable(); });
  } else if (watch_ == nullptr) {
    again_.reset();
    watch();
  }
}

void VerifyService::answer_batch(int count) {
  if (count == 0) return;
  const std::int64_t now = loop_.now_us();
  verifier_.refresh(now);
  std::array<Incoming, DatagramSocket::kBatch> batch;
  const std::span<Incoming> came(batch.data(), static_cast<std::size_t>(count));
  int i = 0;
  for (Incoming& each : came) {
    each.datagram = socket_->received(i++);
    each.form =
        wire::datagram::parse_query(each.datagram.bytes, each.datagram.truncated, each.query);
    each.prefetch = verifier_.prefetch(each.query.address);
  }
  for (const Incoming& each : came) each.prefetch.fetch_record();
  for (const Incoming& each : came) answer_one(each, now);
  socket_->flush();
}

void VerifyService::answer_one(const Incoming& incoming, std::int64_t now) {
  const wire::datagram::Query& query = incoming.query;
  const Peer& peer = *incoming.datagram.peer;
  VerifyCounters& counters = verifier_.counters();
  ++(query.id.empty() ? counters.legacy : counters.extended);
  if (incoming.form == wire::datagram::Parsed::too_long) {
    ++counters.too_long;
    return finish(peer, query, decided_without_looking(rcpt::Why::too_long), now);
  }
  rcpt::Decision decision = verifier_.decide(query.address, now);
  if (!decision.pending) return finish(peer, query, decision, now);
  // Holds the datagram, which is parsed again when it has been decided.
  auto done = [this, peer, bytes = std::string(incoming.datagram.bytes),
               now](const rcpt::Decision& late) {
    wire::datagram::Query again;
    static_cast<void>(wire::datagram::parse_query(bytes, false, again));
    finish(peer, again, late, now);
    flush_soon();
  };
  if (verifier_.park(decision, {std::string(query.address), now, std::move(done)}) ==
      Verifier::Parked::no_room) {
    finish(peer, query, decision, now);
  }
}

void VerifyService::finish(const Peer& peer, const wire::datagram::Query& query,
                           const rcpt::Decision& decision, std::int64_t asked_at_us) {
  wire::datagram::Reply reply{
      names_of(decision.verdict()).result, decision.position,    decision.user.view(), query.id,
      rcpt::why_word(decision.why),        decision.reply_text()};
  std::string_view told;
  if (query.id.empty() && reply.result == wire::datagram::Result::undecided) {
    const bool ok = options_.legacytemp == LegacyTemp::ok;
    const VerdictNames& names = names_of(ok ? rcpt::Verdict::accept : rcpt::Verdict::reject);
    reply.result = names.result;
    told = names.word;
    if (options_.legacytemp == LegacyTemp::silent) told = "nothing";
  }
  if (told == "nothing") {
    ++verifier_.counters().silent;
  } else {
    socket_->commit(peer, wire::datagram::encode_reply(reply, socket_->prepare()));
  }
  verifier_.record({query.address, query.client, {}, {}, {}, asked_at_us}, decision, told);
}

// One answer of an agent may complete many queries: their replies go out together when the loop
// turns.
void VerifyService::flush_soon() {
  if (flush_) return;
  flush_ = loop_.after(0, [this] {
    flush_.reset();
    socket_->flush();
    log_.flush();
  });
}

}  // namespace qv::verify
