// SPDX-License-Identifier: 0BSD
#include "deliver/message.h"

#include <string.h>
#include <time.h>

#include <algorithm>

#include "core/fault.h"
#include "core/text.h"

namespace qv::deliver {

namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::string_view kFrom = "From ";
constexpr std::string_view kDeliveredTo = "delivered-to:";
constexpr std::string_view kSpecials = "()<>[]:;@\\,\"\x7f";  // not in a dot-atom

// Reads a file in pieces; bytes that are not dropped remain in front of the next piece.
// A process reads one message at a time: all objects share one buffer.
class Pieces {
 public:
  Pieces(Files& files, const MessageSource& source)
      : files_(files), fd_(source.fd), offset_(source.start) {}

  // Reads what the buffer has room for; 0 at the end of the file.
  Result<std::size_t> more() {
    const ssize_t n =
        retry_eintr([this] { return files_.pread(fd_, buffer_ + used_, kPiece - used_, offset_); });
    if (n < 0) return errno_error("read the message");
    offset_ += n;
    used_ += static_cast<std::size_t>(n);
    return static_cast<std::size_t>(n);
  }
  [[nodiscard]] std::string_view bytes() const { return {buffer_, used_}; }
  void drop(std::size_t n) {
    used_ -= n;
    memmove(buffer_, buffer_ + n, used_);
  }

 private:
  Files& files_;
  int fd_;
  off_t offset_;
  std::size_t used_ = 0;
  static char buffer_[kPiece];
};

char Pieces::buffer_[kPiece];

bool line_is_loop(std::string_view line, std::string_view recipient) {
  if (line.size() < kDeliveredTo.size()) return false;
  if (!equal_ignoring_case(first_bytes(line, kDeliveredTo.size()), kDeliveredTo)) return false;
  std::string_view value = after_bytes(line, kDeliveredTo.size());
  if (ends_with(value, "\r")) value.remove_suffix(1);
  return equal_ignoring_case(trim_blanks(value), recipient);
}

// RFC 5322 dot-atom, 8-bit bytes allowed (RFC 6531).
bool is_dot_atom(std::string_view s) {
  if (s.empty() || s.front() == '.' || s.back() == '.') return false;
  if (s.find("..") != std::string_view::npos) return false;
  return std::none_of(s.begin(), s.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || kSpecials.find(c) != std::string_view::npos;
  });
}

// Whether the incomplete line may still turn out to begin with "From ".
bool may_become_from(std::string_view line) {
  return line.size() < kFrom.size() && starts_with(kFrom, line);
}

}  // namespace

bool is_clean(std::string_view address) {
  return address.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool is_clean(const Envelope& envelope) {
  return is_clean(envelope.sender) && is_clean(envelope.original) && is_clean(envelope.recipient);
}

std::string quote_address(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  const std::string_view local = first_bytes(address, at);
  if (address.empty() || is_dot_atom(local)) return std::string(address);
  std::string out = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"" + std::string(after_bytes(address, at));
}

std::string header_lines(const Envelope& envelope) {
  return "Return-Path: <" + quote_address(envelope.sender) +
         ">\nX-Original-To: " + quote_address(envelope.original) +
         "\nDelivered-To: " + quote_address(envelope.recipient) + "\n";
}

std::string from_line(std::string_view sender, time_t when) {
  std::string line = "From ";
  if (sender.empty()) line += "MAILER-DAEMON";
  for (const char c : sender) line += is_blank(c) ? '-' : c;
  tm parts{};
  gmtime_r(&when, &parts);
  // asctime_r() fails from the year 10000 on, as do readers.
  char date[64];
  if (asctime_r(&parts, date) == nullptr) return line + " Thu Jan  1 00:00:00 1970\n";
  return line + " " + date;
}

Result<Looping> find_loop(Files& files, const MessageSource& source, std::string_view recipient) {
  const std::string quoted = quote_address(recipient);
  Pieces pieces(files, source);
  // The rest of a line that is longer than the buffer is skipped.
  for (bool within_line = false;;) {
    QV_TRY(const std::size_t got, pieces.more());
    std::string_view rest = pieces.bytes();
    while (!rest.empty()) {
      const std::size_t end = find_byte(rest, '\n');
      const bool is_cut = end == rest.size();
      if (is_cut && got > 0 && rest.size() < kPiece) break;
      const std::string_view line = first_bytes(rest, end);
      if (!within_line && (line.empty() || line == "\r")) return Looping::none;
      if (!within_line && line_is_loop(line, quoted)) return Looping::found;
      within_line = is_cut;
      rest = after_bytes(rest, end + 1);
    }
    pieces.drop(pieces.bytes().size() - rest.size());
    if (got == 0) return Looping::none;
  }
}

FileWriter::FileWriter(Files& files, int fd) : files_(files), fd_(fd) { buffer_.reserve(kPiece); }

Result<void> FileWriter::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::string_view part = first_bytes(bytes, kPiece - buffer_.size());
    buffer_ += part;
    bytes = after_bytes(bytes, part.size());
    if (buffer_.size() == kPiece) QV_TRY_VOID(flush());
  }
  return {};
}

Result<void> FileWriter::flush() {
  QV_TRY_VOID(files_.write_all(fd_, buffer_, "write"));
  buffer_.clear();
  return {};
}

Result<void> copy_body(Files& files, const MessageSource& source, Quoting quoting,
                       FileWriter& out) {
  Pieces pieces(files, source);
  bool at_line_start = true;
  bool any = false;
  for (;;) {
    QV_TRY(const std::size_t got, pieces.more());
    std::string_view rest = pieces.bytes();
    while (!rest.empty()) {
      // The end of the piece may split "From ": read on first.
      if (quoting == Quoting::mbox && at_line_start && got > 0 && may_become_from(rest)) break;
      if (quoting == Quoting::mbox && at_line_start && starts_with(rest, kFrom)) {
        QV_TRY_VOID(out.append(">"));
      }
      const std::size_t end =
          quoting == Quoting::none ? find_last_byte(rest, '\n') : find_byte(rest, '\n');
      const std::string_view line = first_bytes(rest, end + 1);
      QV_TRY_VOID(out.append(line));
      any = true;
      at_line_start = line.back() == '\n';
      rest = after_bytes(rest, line.size());
    }
    pieces.drop(pieces.bytes().size() - rest.size());
    if (got == 0) break;
  }
  if (any && !at_line_start) QV_TRY_VOID(out.append("\n"));
  return {};
}

}  // namespace qv::deliver
