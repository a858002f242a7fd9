// SPDX-License-Identifier: 0BSD
#include "deliver/job.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <type_traits>

#include "core/text.h"
#include "deliver/maildir.h"
#include "deliver/mbox.h"

namespace qv::deliver {

namespace {

std::uint64_t mbox_limit(const DeliverSettings& settings, const Mailbox& mailbox) {
  return mailbox.quota.bytes != 0 ? mailbox.quota.bytes : settings.mailbox_limit;
}

// ---- fields as "length:bytes" -------------------------------------------------------------------

void write_field(std::string& out, const std::string& text) {
  out += std::to_string(text.size()) + ":" + text;
}
template <class Number>
void write_field(std::string& out, Number number) {
  write_field(out, std::to_string(static_cast<std::uint64_t>(number)));
}

bool read_field(std::string_view& rest, std::string& text) {
  std::uint64_t size = 0;
  const std::string_view digits = take_until(rest, ':');
  if (!parse_decimal(digits, rest.size(), size)) return false;
  text = first_bytes(rest, size);
  rest = after_bytes(rest, size);
  return true;
}
template <class Number>
bool read_field(std::string_view& rest, Number& number) {
  constexpr bool kIsDelivery = std::is_same_v<Number, Delivery>;
  constexpr auto kMax = kIsDelivery ? Number{2} : std::numeric_limits<Number>::max();
  std::string digits;
  std::uint64_t value = 0;
  if (!read_field(rest, digits)) return false;
  if (!parse_decimal(digits, static_cast<std::uint64_t>(kMax), value)) return false;
  number = static_cast<Number>(value);
  return true;
}

template <class Fields>
std::string encode(const Fields& fields) {
  std::string out;
  std::apply([&out](const auto&... each) { (write_field(out, each), ...); }, fields);
  return out;
}

// False where a field is missing or wrong, or where anything follows them.
template <class Fields>
bool decode(std::string_view bytes, const Fields& fields) {
  const bool all =
      std::apply([&](auto&... each) { return (read_field(bytes, each) && ...); }, fields);
  return all && bytes.empty();
}

auto fields_of_mailbox(auto& mailbox) {
  return std::tie(mailbox.path, mailbox.folder, mailbox.uid, mailbox.gid, mailbox.quota.bytes,
                  mailbox.quota.messages);
}
auto fields_of_outcome(auto& outcome) {
  return std::tie(outcome.delivery, outcome.code, outcome.text, outcome.bytes);
}
auto fields_of_job(auto& job) {
  return std::tuple_cat(
      std::tie(job.envelope.sender, job.envelope.original, job.envelope.recipient),
      fields_of_mailbox(job.mailbox), std::tie(job.start, job.size));
}
auto fields_of_found(auto& found) {
  return std::tuple_cat(fields_of_outcome(found.outcome), fields_of_mailbox(found.mailbox));
}

}  // namespace

bool needs_room(const DeliverSettings& settings, const Mailbox& mailbox) {
  return mailbox.is_maildir() ? mailbox.quota.limits() : mbox_limit(settings, mailbox) != 0;
}

Outcome find_room(Files& files, const DeliverSettings& settings, const Job& job) {
  const Outcome full = refuse("5.2.2", "mailbox is full");
  const std::uint64_t size = std::max<std::uint64_t>(job.size, 1);
  if (job.mailbox.is_maildir()) {
    const Result<Room> room = MaildirQuota(files, job.mailbox.path, job.mailbox.quota).admits(size);
    return room.ok() && room.value() == Room::full ? full : done(0);
  }
  struct stat st {};
  if (files.lstat(job.mailbox.path, st) != 0 || !S_ISREG(st.st_mode)) return done(0);
  const std::uint64_t limit = mbox_limit(settings, job.mailbox);
  const auto used = static_cast<std::uint64_t>(st.st_size);
  return used >= limit || size > limit - used ? full : done(0);
}

Outcome perform(Files& files, const DeliverSettings& settings, std::string_view host,
                const Job& job, int message) {
  if (!is_clean(job.envelope)) return refuse("5.6.0", "address holds a line end or a NUL");
  const MessageSource source{message, job.start};
  QV_TRY(const Looping loop, find_loop(files, source, job.envelope.recipient));
  if (loop == Looping::found) return refuse("5.4.6", "mail is looping");
  if (job.mailbox.is_maildir()) {
    const std::string folder = job.mailbox.path + job.mailbox.folder;
    struct stat st {};
    const bool has_folder =
        !job.mailbox.folder.empty() && files.lstat(folder, st) == 0 && S_ISDIR(st.st_mode);
    const MaildirTarget target{.path = has_folder ? folder + "/" : job.mailbox.path,
                               .root = job.mailbox.path,
                               .quota = job.mailbox.quota,
                               .size_limit = settings.mailbox_limit,
                               .host = std::string(host)};
    return deliver_maildir(files, target, job.envelope, source);
  }
  const MboxTarget target{.path = job.mailbox.path,
                          .locks = settings.locks,
                          .size_limit = mbox_limit(settings, job.mailbox),
                          .owner = job.mailbox.uid,
                          .strict_ownership = settings.strict_ownership};
  return deliver_mbox(files, target, job.envelope, source);
}

std::string encode_job(const Job& job) { return encode(fields_of_job(job)); }

std::optional<Job> decode_job(std::string_view bytes) {
  Job job;
  if (!decode(bytes, fields_of_job(job))) return std::nullopt;
  return job;
}

std::string encode_outcome(const Outcome& outcome) { return encode(fields_of_outcome(outcome)); }

std::optional<Outcome> decode_outcome(std::string_view bytes) {
  Outcome outcome;
  if (!decode(bytes, fields_of_outcome(outcome))) return std::nullopt;
  return outcome;
}

std::string encode_found(const FoundMailbox& found) { return encode(fields_of_found(found)); }

std::optional<FoundMailbox> decode_found(std::string_view bytes) {
  FoundMailbox found;
  if (!decode(bytes, fields_of_found(found))) return std::nullopt;
  return found;
}

}  // namespace qv::deliver
