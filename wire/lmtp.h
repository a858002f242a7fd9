// SPDX-License-Identifier: 0BSD
// wire/lmtp.h - the server's side of LMTP (RFC 2033), bytes in, replies and events out.
//
// A Session has no I/O.  next() consumes bytes, writes the replies that need no decision, and stops
// with an Event where it needs one; the bytes behind it wait (PIPELINING, RFC 2920).  A message
// ends at CRLF.CRLF and nowhere else, or with BDAT LAST (RFC 3030); its lines reach the user ending
// in LF, with dots un-stuffed.
//
//   state       event that left it             what the user calls, once, to go on
//   command     recipient                      accept_recipient() or refuse_recipient()
//   command     begin                          accept_message() or refuse_message()
//   body        body: body() is the next piece (nothing)
//   body        end: the message is whole      reply() for each recipient, in order
//   body        dropped: it will not be whole  (nothing)
//   any         closed: send the replies, then close
//   any         more: all bytes are consumed, more are needed
//
// Bounded: a command line, a path, the number of recipients, of mistakes; the message is counted,
// not held.  Between messages nothing is held.  Threads: none.
// Manual: qmail-virtual(8).  Tests: tests/wire/lmtp_test.cc, tests/fuzz/fuzz_lmtp.cc
#ifndef QV_WIRE_LMTP_H_
#define QV_WIRE_LMTP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qv::wire::lmtp {

inline constexpr std::size_t kMaxLine = 4096;  // bytes of a command line, including CRLF

struct Limits {
  std::uint64_t message = 0;      // bytes; 0: none
  std::size_t recipients = 1000;  // per message; at least 100 by RFC 5321
  std::size_t mistakes = 50;      // refused or unknown commands before 421
};

enum class Event : std::uint8_t { more, recipient, begin, body, end, dropped, closed };

// One reply of one line: "550 5.1.1 text".  The text is one line of printable ASCII or UTF-8.
struct Reply {
  int code = 250;
  std::string_view enhanced;
  std::string_view text;
};

// Turns the CRLF of a message into LF and undoes the dot-stuffing of DATA.
class BodyDecoder {
 public:
  enum class Form : std::uint8_t { data, chunks };
  void start(Form form);
  // Consumes `input` and appends the decoded bytes to `out`.  True: the end of DATA, `input` begins
  // behind it.  False: all is consumed; a CR at the end is held back.
  [[nodiscard]] bool decode(std::string_view& input, std::string& out);
  // Appends a CR that decode() has held back.
  void finish(std::string& out);

 private:
  enum class State : std::uint8_t {
    line_start,  // of DATA: behind CRLF
    text,
    cr,      // behind a CR that is not written yet
    dot,     // behind CRLF and a dot that is not written
    dot_cr,  // behind CRLF, dot, CR
  };
  State state_ = State::text;
  State after_line_ = State::text;
};

// Begun by MAIL; ends with the message or RSET.
struct Transaction {
  bool has_sender = false;
  bool utf8 = false;
  std::string sender;
  std::uint64_t announced_size = 0;
  std::vector<std::string> recipients;
  std::string recipient;   // the one being decided
  std::string body;        // the latest piece
  std::uint64_t size = 0;  // of the message so far
  bool too_big = false;
  enum class Chunks : std::uint8_t { none, going_on, failed } chunks = Chunks::none;
  std::size_t replied = 0;
};

class Session {
 public:
  // `host` is the name in greetings and in the reply to LHLO.
  Session(std::string host, const Limits& limits);

  // "220 ..." for a new connection.
  void greet(std::string& out) const;

  // Consumes bytes from the front of `input`; appends replies to `out`.
  [[nodiscard]] Event next(std::string_view& input, std::string& out);

  // The recipient that Event::recipient asks about, unquoted.
  [[nodiscard]] const std::string& recipient() const { return transaction_->recipient; }
  void accept_recipient(std::string& out);
  void refuse_recipient(const Reply& reply, std::string& out);

  // For Event::begin.  The sender is unquoted; empty for the null sender.
  [[nodiscard]] const std::string& sender() const { return transaction_->sender; }
  [[nodiscard]] const std::vector<std::string>& recipients() const {
    return transaction_->recipients;
  }
  // SIZE= of MAIL; 0 where it was not given.
  [[nodiscard]] std::uint64_t announced_size() const { return transaction_->announced_size; }
  void accept_message(std::string& out);
  // Ends the transaction.
  void refuse_message(const Reply& reply, std::string& out);

  // The next piece of the message; valid until the next call of next().
  [[nodiscard]] std::string_view body() const { return transaction_->body; }

  // After Event::end: the reply for the next of recipients().  The last one ends the transaction.
  void reply(const Reply& reply, std::string& out);

  // An unsolicited reply that ends the session: "421 ...".
  void shut_down(const Reply& reply, std::string& out);

 private:
  enum class State : std::uint8_t {
    command,
    asking_recipient,
    asking_message,
    data,
    chunk,       // within the bytes of a BDAT
    chunk_skip,  // the same, to be discarded
    replying,
    closed,
  };
  using Chunks = Transaction::Chunks;

  [[nodiscard]] bool read_line(std::string_view& input, std::string& out);
  [[nodiscard]] Event run_command(std::string& out);
  [[nodiscard]] Event mail(std::string_view rest, std::string& out);
  [[nodiscard]] Event rcpt(std::string_view rest, std::string& out);
  [[nodiscard]] Event data(std::string& out);
  [[nodiscard]] Event bdat(std::string_view rest, std::string& out);
  [[nodiscard]] Event start_over();
  [[nodiscard]] Event read_data(std::string_view& input);
  [[nodiscard]] Event read_chunk(std::string_view& input, std::string& out);
  [[nodiscard]] Event end_of_chunk(std::string& out);
  [[nodiscard]] Event end_of_message(std::string& out);
  [[nodiscard]] bool mail_parameter(std::string_view word, std::string& out);
  [[nodiscard]] Event mistake(const Reply& reply, std::string& out);
  [[nodiscard]] Event count_body();

  std::string host_;
  Limits limits_;
  State state_ = State::command;
  std::string line_;
  bool skipping_line_ = false;
  std::size_t mistakes_ = 0;
  bool greeted_ = false;  // LHLO was received
  BodyDecoder decoder_;
  std::uint64_t chunk_left_ = 0;
  bool chunk_last_ = false;
  std::optional<Transaction> transaction_{std::in_place};  // always set; emplace() frees memory
};

}  // namespace qv::wire::lmtp

#endif  // QV_WIRE_LMTP_H_
