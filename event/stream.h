// SPDX-License-Identifier: 0BSD
// event/stream.h - one connected stream socket on a Loop: bytes in, bytes out, all of it bounded.
//
// The user is shown input until it has consumed it; the output that it writes meanwhile is sent in
// one piece afterwards.  While a peer does not read its output, nothing more is read from it:
// unsent output is bounded by one batch of replies (64 KiB and the reply that fills it).  A silent
// peer has no buffers: they exist only while something is unfinished.
//
// Threads: none; one Loop.  Blocking: never.  Owns: the descriptor.
// Tests: tests/event/stream_test.cc
#ifndef QV_EVENT_STREAM_H_
#define QV_EVENT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "event/loop.h"

namespace qv::event {

// Times in microseconds; 0: no limit.
struct StreamLimits {
  std::size_t max_input = 1u << 20;  // bytes of one incomplete message
  std::int64_t idle_us = 0;          // without anything unfinished
  std::int64_t message_us = 0;       // from the first byte of a message to its last
  std::int64_t drain_us = 0;         // from writing a reply until all of it is sent
};

// Why a stream is over.
enum class StreamEnd : std::uint8_t {
  peer_closed,     // the peer sent its last byte, and all output is sent
  closed,          // close() was called, and all output is sent
  failed,          // errnum() is the reason: reset, broken pipe, connection refused
  too_much_input,  // a message longer than max_input
  too_slow,        // message_us or drain_us is over
  idle,            // idle_us is over, or the place was needed for another
};

class Stream {
 public:
  // Called from the loop, never from within a call to the stream; each call may destroy the stream.
  class User {
   public:
    virtual ~User() = default;

    // `input`, never empty, has arrived and is not consumed yet.  Returns the number of bytes
    // consumed; 0: more must arrive first.  Best one message per call: the rest is shown again,
    // unless the stream was paused, is closing, or must send output first.
    virtual std::size_t on_input(Stream& stream, std::string_view input) = 0;

    // The peer has closed its side; `rest` was never consumed.  The peer may still read: output
    // written now is sent before the stream ends.
    virtual void on_last_input(Stream& /*stream*/, std::string_view /*rest*/) {}

    // connect() has succeeded (only for streams started with Connecting::yes).
    virtual void on_connected(Stream& /*stream*/) {}

    // The stream is over: nothing more is read or sent.  Called once, not after close_now().
    virtual void on_end(Stream& stream, StreamEnd why) = 0;
  };

  enum class Connecting : std::uint8_t { no, yes };

  // REQUIRES: `fd` is a stream socket, non-blocking; `loop` and `limits` outlive the stream.
  Stream(Loop& loop, Fd fd, const StreamLimits& limits);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Begins to read, or waits for the connection first.  Called once.  REQUIRES: `user` outlives the
  // stream.
  void start(User& user, Connecting connecting = Connecting::no);

  // Queues bytes.  Output of on_input() is sent when that returns, other output at the next turn of
  // the loop.
  void write(std::string_view bytes);

  // Shows no input until resume().
  void pause() { paused_ = true; }
  void resume();
  [[nodiscard]] bool paused() const { return paused_; }

  // Reads no more, sends the queued output, then ends with StreamEnd::closed.
  void close();
  // Closes the descriptor at once; on_end() is not called.
  void close_now();

  // Bytes written and not yet sent.
  [[nodiscard]] std::size_t unsent() const;
  // The limit that is exceeded at this time of the loop's clock, if any.
  [[nodiscard]] std::optional<StreamEnd> overdue(std::int64_t now_us) const;
  // Time of the last byte read or sent; INT64_MAX while something is unfinished.
  [[nodiscard]] std::int64_t idle_since_us() const;
  // Ends the stream now, because of `why`.
  void end(StreamEnd why);

  [[nodiscard]] int fd() const { return fd_.get(); }
  // The errno of StreamEnd::failed.
  [[nodiscard]] int errnum() const { return errnum_; }

 private:
  // Returned by member functions whose callbacks may destroy the stream.
  enum class Alive : std::uint8_t { no, yes };

  void on_readable();
  void on_writable();
  void on_turn();
  void finish_connect();
  enum class Shown : std::uint8_t { rest_not_wanted, batch_full, destroyed };
  Alive consume(std::string_view fresh);
  Shown show(std::string_view& input);
  Alive flush_batch();
  void record_rest(bool consumed_some);
  enum class Flushed : std::uint8_t { all, some, failed };
  Flushed flush(std::string_view bytes);
  Alive settle();
  void watch_input();
  void schedule_turn();
  [[nodiscard]] bool may_show() const;

  Loop& loop_;
  const StreamLimits& limits_;
  User* user_ = nullptr;
  Fd fd_;
  Loop::Owned reading_;
  Loop::Owned writing_;
  Loop::Owned turn_;
  std::string in_;   // not consumed
  std::string out_;  // not sent
  std::int64_t last_us_;
  std::int64_t message_since_us_ = 0;  // 0: no message is half read
  std::int64_t output_since_us_ = 0;   // 0: everything is sent
  bool* destroyed_ = nullptr;          // set to true by the destructor
  int errnum_ = 0;
  bool paused_ = false;
  bool in_input_ = false;  // writes are collected in the batch
  bool closing_ = false;
  bool end_of_input_ = false;
  bool last_input_shown_ = false;
  bool connecting_ = false;
  bool ended_ = false;
};

}  // namespace qv::event

#endif  // QV_EVENT_STREAM_H_
