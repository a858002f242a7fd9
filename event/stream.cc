// SPDX-License-Identifier: 0BSD
#include "event/stream.h"

#include <errno.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "core/check.h"
#include "core/text.h"

namespace qv::event {

namespace {

constexpr std::size_t kReadSize = 64u << 10;   // bytes taken from a socket at once
constexpr std::size_t kBatchSize = 64u << 10;  // replies collected before they are sent
constexpr std::size_t kKeepCapacity = 512;     // a stream's larger buffer is freed

// Streams share the read buffer and the batch of replies: there is one thread, in which one stream
// at a time shows input.
std::array<char, kReadSize>& read_buffer() {
  static std::array<char, kReadSize> buffer;
  return buffer;
}
std::string& batch() {
  static std::string bytes;
  return bytes;
}

void empty(std::string& buffer, std::size_t keep) {
  if (buffer.capacity() > keep) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

bool would_block(int errnum) { return errnum == EAGAIN || errnum == EWOULDBLOCK; }

}  // namespace

Stream::Stream(Loop& loop, Fd fd, const StreamLimits& limits)
    : loop_(loop), limits_(limits), fd_(std::move(fd)), last_us_(loop.now_us()) {}

Stream::~Stream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void Stream::start(User& user, Connecting connecting) {
  QV_CHECK(user_ == nullptr);
  user_ = &user;
  connecting_ = connecting == Connecting::yes;
  if (connecting_) {
    writing_ = loop_.when_writable(fd_.get(), [this] { on_writable(); });
    return;
  }
  watch_input();
}

std::size_t Stream::unsent() const { return out_.size() + (in_input_ ? batch().size() : 0); }

void Stream::write(std::string_view bytes) {
  if (ended_ || bytes.empty()) return;
  if (in_input_) {
    batch().append(bytes);
    return;
  }
  if (out_.empty()) output_since_us_ = loop_.now_us();
  out_.append(bytes);
  if (!writing_) schedule_turn();
}

void Stream::resume() {
  if (!paused_) return;
  paused_ = false;
  // The pause does not count against the peer.
  last_us_ = loop_.now_us();
  if (message_since_us_ != 0) message_since_us_ = last_us_;
  if (!ended_) schedule_turn();
}

void Stream::close() {
  if (ended_) return;
  closing_ = true;
  reading_.reset();
  schedule_turn();
}

void Stream::close_now() {
  ended_ = true;
  reading_.reset();
  writing_.reset();
  turn_.reset();
  fd_.reset();
}

void Stream::end(StreamEnd why) {
  if (ended_) return;
  close_now();
  user_->on_end(*this, why);
}

std::optional<StreamEnd> Stream::overdue(std::int64_t now_us) const {
  const auto over = [now_us](std::int64_t since_us, std::int64_t limit_us) {
    return limit_us > 0 && since_us > 0 && now_us - since_us >= limit_us;
  };
  if (ended_) return std::nullopt;
  if (over(output_since_us_, limits_.drain_us)) return StreamEnd::too_slow;
  // A paused stream waits for its user, not for its peer.
  if (paused_ || output_since_us_ != 0) return std::nullopt;
  if (over(message_since_us_, limits_.message_us)) return StreamEnd::too_slow;
  if (over(last_us_, limits_.idle_us)) return StreamEnd::idle;
  return std::nullopt;
}

std::int64_t Stream::idle_since_us() const {
  const bool busy = paused_ || output_since_us_ != 0 || message_since_us_ != 0 || closing_;
  return busy ? INT64_MAX : last_us_;
}

bool Stream::may_show() const {
  return !paused_ && !closing_ && !ended_ && !last_input_shown_ && out_.empty();
}

void Stream::watch_input() {
  if (reading_ || end_of_input_ || closing_ || connecting_) return;
  reading_ = loop_.when_readable(fd_.get(), [this] { on_readable(); });
}

void Stream::schedule_turn() {
  if (!turn_) turn_ = loop_.after(0, [this] { on_turn(); });
}

void Stream::on_turn() {
  turn_.reset();
  if (connecting_) return;
  if (!out_.empty() && !writing_) {
    const Flushed flushed = flush({});
    if (flushed == Flushed::failed) return end(StreamEnd::failed);
  }
  if (may_show() && consume({}) == Alive::no) return;
  if (settle() == Alive::yes && may_show()) watch_input();
}

void Stream::on_readable() {
  // A pause is usually over before more arrives: only now is it worth the system calls.
  if (!may_show()) {
    reading_.reset();
    return;
  }
  std::array<char, kReadSize>& buffer = read_buffer();
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) {
    if (would_block(errno) || errno == EINTR) return;
    errnum_ = errno;
    return end(StreamEnd::failed);
  }
  last_us_ = loop_.now_us();
  if (n == 0) {
    end_of_input_ = true;
    reading_.reset();
  }
  if (consume({buffer.data(), static_cast<std::size_t>(n)}) == Alive::yes) {
    static_cast<void>(settle());
  }
}

void Stream::on_writable() {
  if (connecting_) return finish_connect();
  if (flush({}) == Flushed::failed) return end(StreamEnd::failed);
  if (!out_.empty()) return;
  writing_.reset();
  if (may_show() && consume({}) == Alive::no) return;
  if (settle() == Alive::yes && may_show()) watch_input();
}

void Stream::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    errnum_ = error;
    return end(StreamEnd::failed);
  }
  connecting_ = false;
  last_us_ = loop_.now_us();
  writing_.reset();
  watch_input();
  if (!out_.empty()) schedule_turn();
  user_->on_connected(*this);
}

// Shows the unconsumed and the `fresh` input, sends the output, stores the rest.
Stream::Alive Stream::consume(std::string_view fresh) {
  // Appended in place: a message in small pieces is not copied again for each of them.
  const bool buffered = !in_.empty();
  if (buffered) in_.append(fresh);
  std::string_view input = buffered ? std::string_view(in_) : fresh;
  const std::size_t size = input.size();
  Shown shown = Shown::rest_not_wanted;
  do {
    shown = show(input);
    if (shown == Shown::destroyed || flush_batch() == Alive::no) return Alive::no;
  } while (shown == Shown::batch_full && may_show());

  if (buffered) {
    in_.erase(0, size - input.size());
  } else {
    in_.assign(input);
  }
  record_rest(input.size() != size);
  if (in_.size() <= limits_.max_input || !may_show()) return Alive::yes;
  end(StreamEnd::too_much_input);
  return Alive::no;
}

// Shows input until no more of it is consumed, or the batch is full and must be sent first.
Stream::Shown Stream::show(std::string_view& input) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  in_input_ = true;
  Shown shown = Shown::rest_not_wanted;
  while (!input.empty() && may_show()) {
    if (batch().size() > kBatchSize) {
      shown = Shown::batch_full;
      break;
    }
    const std::size_t consumed = user_->on_input(*this, input);
    if (destroyed) {
      batch().clear();
      return Shown::destroyed;
    }
    QV_CHECK(consumed <= input.size());
    if (consumed == 0) break;
    input = after_bytes(input, consumed);
  }
  destroyed_ = nullptr;
  in_input_ = false;
  return shown;
}

Stream::Alive Stream::flush_batch() {
  if (batch().empty()) return Alive::yes;
  const Flushed flushed = ended_ ? Flushed::all : flush(batch());
  empty(batch(), kBatchSize * 2);
  if (flushed != Flushed::failed) return Alive::yes;
  end(StreamEnd::failed);
  return Alive::no;
}

// Records since when the rest of a message has been missing.
void Stream::record_rest(bool consumed_some) {
  if (in_.empty()) {
    empty(in_, kKeepCapacity);
    message_since_us_ = 0;
  } else if (message_since_us_ == 0 || consumed_some) {
    message_since_us_ = loop_.now_us();
  }
}

// Sends the queued output and then `bytes`; the rest is queued.
Stream::Flushed Stream::flush(std::string_view bytes) {
  if (!out_.empty() || connecting_) {
    out_.append(bytes);
    bytes = out_;
  }
  const bool queued = bytes.data() == out_.data();
  std::size_t sent = 0;
  while (!connecting_ && sent < bytes.size()) {
    const std::string_view rest = after_bytes(bytes, sent);
    const ssize_t n = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && would_block(errno)) break;
    if (n < 0) {
      errnum_ = errno;
      return Flushed::failed;
    }
    sent += static_cast<std::size_t>(n);
    // Right after reading, the clock need not be read again.
    if (queued) last_us_ = loop_.now_us();
  }
  if (sent == bytes.size()) {
    empty(out_, kKeepCapacity);
    output_since_us_ = 0;
    return Flushed::all;
  }
  if (queued) {
    out_.erase(0, sent);
  } else {
    out_.assign(after_bytes(bytes, sent));
  }
  if (output_since_us_ == 0) output_since_us_ = loop_.now_us();
  if (!writing_) writing_ = loop_.when_writable(fd_.get(), [this] { on_writable(); });
  return Flushed::some;
}

// Ends the stream if nothing is left to do.
Stream::Alive Stream::settle() {
  if (ended_) return Alive::no;
  if (!out_.empty()) return Alive::yes;
  if (closing_) {
    end(StreamEnd::closed);
    return Alive::no;
  }
  if (!end_of_input_ || paused_) return Alive::yes;
  if (!last_input_shown_) {
    last_input_shown_ = true;
    bool destroyed = false;
    destroyed_ = &destroyed;
    user_->on_last_input(*this, in_);
    if (destroyed) return Alive::no;
    destroyed_ = nullptr;
    // Its output, or what it waits for, is sent first; then this function runs again.
    if (!out_.empty() || paused_) return Alive::yes;
  }
  end(closing_ ? StreamEnd::closed : StreamEnd::peer_closed);
  return Alive::no;
}

}  // namespace qv::event
