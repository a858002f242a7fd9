// SPDX-License-Identifier: 0BSD
#include "verify/datagram_socket.h"

#include <errno.h>
#include <string.h>

#include <span>

#include "core/check.h"
#include "core/fault.h"

namespace qv {

// kBatch messages with room for their bytes, laid out once and pointed at by the headers for ever.
// Datagrams come in at fixed places; replies, which are short, go out packed one behind the other.
struct DatagramSocket::Slots {
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> vectors{};
  std::array<Peer, kBatch> peers{};
  std::array<char, kBatch * kBuffer> bytes{};
  std::size_t used = 0;

  Slots() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {bytes.data() + i * kBuffer, kBuffer};
      msghdr& header = headers[i].msg_hdr;
      header.msg_name = &peers[i].address;
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
    }
  }
};

namespace {

bool is_wildcard(int fd) {
  Peer self{};
  self.address_size = sizeof self.address;
  if (getsockname(fd, &self.address.any, &self.address_size) != 0) return false;
  if (self.address.any.sa_family == AF_INET) return self.address.in.sin_addr.s_addr == INADDR_ANY;
  return self.address.any.sa_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&self.address.in6.sin6_addr) != 0;
}

// A reply has to leave from the address the query was sent to: the interface is the kernel's
// choice.
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

void DatagramSocket::Free::operator()(Slots* slots) const { delete slots; }

Result<DatagramSocket> DatagramSocket::adopt(Fd bound) {
  const bool wildcard = is_wildcard(bound.get());
  // A reply fits every path unfragmented.  Saying so keeps forged fragments out of it, and spares
  // the kernel the choice of an identification.  Not every kind of socket knows it.
  const int whole = IP_PMTUDISC_PROBE;
  setsockopt(bound.get(), IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
  if (wildcard) {
    const int on = 1;
    const bool v4 = setsockopt(bound.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0;
    const bool v6 = setsockopt(bound.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0;
    if (!v4 && !v6) return errno_error("setsockopt");
  }
  return DatagramSocket(std::move(bound), wildcard);
}

DatagramSocket::DatagramSocket(Fd fd, bool wildcard)
    : fd_(std::move(fd)), in_(new Slots), out_(new Slots) {
  if (!wildcard) return;
  for (std::size_t i = 0; i < kBatch; ++i) {
    in_->headers[i].msg_hdr.msg_control = in_->peers[i].control.data();
  }
}

int DatagramSocket::receive() {
  for (mmsghdr& message : in_->headers) {
    message.msg_hdr.msg_namelen = sizeof(Peer::address);
    message.msg_hdr.msg_controllen =
        message.msg_hdr.msg_control != nullptr ? sizeof(Peer::control) : 0;
  }
  const int got = recvmmsg(fd_.get(), in_->headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  // Errors of an earlier reply (ICMP) or EAGAIN: nothing to read either way.
  if (got <= 0) return 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    Peer& peer = in_->peers[i];
    const msghdr& header = in_->headers[i].msg_hdr;
    peer.address_size = header.msg_namelen;
    peer.control_size = header.msg_control != nullptr ? header.msg_controllen : 0;
    if (peer.control_size > 0) forget_interface(peer);
  }
  return got;
}

DatagramSocket::Datagram DatagramSocket::received(int i) const {
  const auto at = static_cast<std::size_t>(i);
  const mmsghdr& message = in_->headers[at];
  const bool truncated =
      (message.msg_hdr.msg_flags & MSG_TRUNC) != 0 || message.msg_len > datagram::kMaxDatagram;
  return {{in_->bytes.data() + at * kBuffer, message.msg_len}, truncated, &in_->peers[at]};
}

std::span<char> DatagramSocket::prepare() {
  if (queued_ == kBatch) flush();
  return {out_->bytes.data() + out_->used, kBuffer};
}

void DatagramSocket::commit(const Peer& peer, std::size_t size) {
  QV_CHECK(queued_ < kBatch && size <= kBuffer);
  if (peer.address_size == 0) return;  // an unnamed Unix socket: nowhere to send to
  const auto at = static_cast<std::size_t>(queued_++);
  Peer& to = out_->peers[at];
  msghdr& header = out_->headers[at].msg_hdr;
  memcpy(&to.address, &peer.address, peer.address_size);
  header.msg_namelen = peer.address_size;
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  if (peer.control_size > 0) {
    to.control = peer.control;
    header.msg_control = to.control.data();
    header.msg_controllen = peer.control_size;
  }
  out_->vectors[at] = {out_->bytes.data() + out_->used, size};
  out_->used += size;
}

void DatagramSocket::flush() {
  int next = 0;
  while (next < queued_) {
    const int sent = sendmmsg(fd_.get(), out_->headers.data() + next,
                              static_cast<unsigned>(queued_ - next), MSG_DONTWAIT);
    if (sent > 0) {
      next += sent;
    } else if (errno != EINTR) {
      ++next;  // this one cannot be sent: a peer that is gone, a full buffer
      ++dropped_;
    }
  }
  queued_ = 0;
  out_->used = 0;
}

}  // namespace qv
