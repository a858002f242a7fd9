// SPDX-License-Identifier: 0BSD
// event/stream.h - one connected stream socket on a Loop: bytes in, bytes out, all of it bounded.
//
// What arrives is shown to the user of the stream until it has consumed it; what it writes while it
// is shown input goes out in one piece afterwards.  While a peer does not take what was written,
// nothing more is read from it, so what waits for it is bounded by one batch of replies (64 KiB and
// the reply that fills it).  Nothing is kept for a peer that is silent: buffers exist only while
// something is unfinished.
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

namespace qv {

// Times in microseconds; 0: no limit.
struct StreamLimits {
  std::size_t max_input = 1u << 20;  // bytes of one message that is not whole yet
  std::int64_t idle_us = 0;          // nothing is unfinished and nothing happens
  std::int64_t message_us = 0;       // from the first byte of a message to its last
  std::int64_t drain_us = 0;         // from a reply written to all of it taken
};

// Why a stream is over.
enum class StreamEnd : std::uint8_t {
  peer_closed,     // the peer sent its last byte, and has got all that was written
  closed,          // close() was called, and all that was written is sent
  failed,          // errnum() says why: reset, broken pipe, connection refused
  too_much_input,  // a message longer than max_input
  too_slow,        // message_us or drain_us is over
  idle,            // idle_us is over, or the place was needed for another
};

class Stream {
 public:
  // Who talks on a stream.  Every call comes from the loop, none from within a call to the stream;
  // each may destroy the stream.
  class User {
   public:
    virtual ~User() = default;

    // `input` is what has arrived and was not consumed, never empty.  Returns how many bytes of it
    // are consumed: 0 means that more must come first.  Best one message a call: after each call
    // that consumed some, what is left is shown again, unless the stream was paused, is closing, or
    // has output to get rid of first.
    virtual std::size_t on_input(Stream& stream, std::string_view input) = 0;

    // The peer will send no more; `rest` is what was never consumed.  It may still read: what is
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

  // Begins to read, or first waits for the connection.  Once.  REQUIRES: `user` outlives the
  // stream.
  void start(User& user, Connecting connecting = Connecting::no);

  // Queues bytes.  What on_input() writes is sent when it has returned, everything else when the
  // loop turns.
  void write(std::string_view bytes);

  // Shows no input until resume(): the user waits for something of its own.
  void pause() { paused_ = true; }
  void resume();
  [[nodiscard]] bool paused() const { return paused_; }

  // Reads no more, sends what is queued, then ends with StreamEnd::closed.
  void close();
  // Ends without a further word: closes the descriptor, on_end() is not called.
  void close_now();

  // Bytes written and not yet sent.
  [[nodiscard]] std::size_t unsent() const;
  // Which limit is broken at this moment of the loop's clock, if any; for whoever sweeps.
  [[nodiscard]] std::optional<StreamEnd> overdue(std::int64_t now_us) const;
  // Moment of the last byte read or sent; INT64_MAX while something is unfinished.
  [[nodiscard]] std::int64_t idle_since_us() const;
  // Ends the stream now, as if the loop had found `why`.
  void end(StreamEnd why);

  [[nodiscard]] int fd() const { return fd_.get(); }
  // errno of what made the stream fail.
  [[nodiscard]] int errnum() const { return errnum_; }

 private:
  // A member function whose callbacks may have destroyed the stream says so.
  enum class Alive : std::uint8_t { no, yes };

  void on_readable();
  void on_writable();
  void on_turn();
  void finish_connect();
  enum class Shown : std::uint8_t { rest_not_wanted, batch_full, destroyed };
  Alive take(std::string_view fresh);
  Shown show(std::string_view& input);
  Alive flush_batch();
  void note_rest(bool consumed_some);
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
  bool last_input_told_ = false;
  bool connecting_ = false;
  bool ended_ = false;
};

}  // namespace qv

#endif  // QV_EVENT_STREAM_H_
