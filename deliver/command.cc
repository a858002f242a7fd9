// SPDX-License-Identifier: 0BSD
#include "deliver/command.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "deliver/files.h"
#include "deliver/retries.h"
#include "deliver/spool.h"

namespace qv::deliver {

namespace {

bool is_name(char c) { return is_letter_or_digit(c) || c == '_'; }

std::optional<std::string> expand(std::string_view word, const Environment& environment) {
  std::string out;
  while (!word.empty()) {
    const std::size_t dollar = find_byte(word, '$');
    out += first_bytes(word, dollar);
    word = after_bytes(word, dollar + 1);
    if (word.empty()) break;
    std::size_t end = 0;
    while (end < word.size() && is_name(word[end])) ++end;
    const std::optional<std::string> value = environment(first_bytes(word, end));
    if (!value || value->empty()) return std::nullopt;
    out += *value;
    word = after_bytes(word, end);
  }
  return out;
}

// A file can be read repeatedly; a pipe is spooled first.
Result<MessageSource> source_of(int input, const std::string& spool_directory, Fd& spooled) {
  const off_t at = lseek(input, 0, SEEK_CUR);
  if (at >= 0) return MessageSource{input, at};
  Spool spool(spool_directory);
  QV_TRY_VOID(spool.open(0));
  QV_TRY_VOID(spool.append_all(input));
  QV_TRY(spooled, spool.finish());
  return MessageSource{spooled.get(), 0};
}

struct Ended {
  const Envelope* envelope;
  Outcome outcome;
};

// Prints the failures, the worst first, and returns the worst exit code.
int report(std::vector<Ended> ended) {
  std::stable_sort(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) {
    return exit_code(a.outcome.delivery) > exit_code(b.outcome.delivery);
  });
  std::string text;
  for (const Ended& one : ended) {
    if (one.outcome.delivery == Delivery::done) break;
    char name[1000];
    const std::size_t size = escape(one.envelope->recipient, name, sizeof name);
    text += one.outcome.code + " " + std::string(name, size) + ": " + one.outcome.text + "\n";
  }
  static_cast<void>(write_all(1, text));
  return exit_code(ended.front().outcome.delivery);
}

std::vector<Ended> deliver_to_several(Agent& agent, const std::vector<Envelope>& envelopes,
                                      const MessageSource& source) {
  Files files;
  Retries retries(files, agent.settings().spool_directory, envelopes.front().sender, source);
  std::vector<Ended> ended;
  bool must_retry = false;
  for (const Envelope& envelope : envelopes) {
    if (retries.has(envelope.recipient)) {
      log_notice("delivered-before", envelope.recipient);
      ended.push_back({&envelope, done(0)});
      continue;
    }
    Outcome outcome = agent.deliver(envelope, source);
    if (outcome.delivery == Delivery::done) retries.add(envelope.recipient);
    must_retry = must_retry || outcome.delivery == Delivery::retry;
    ended.push_back({&envelope, std::move(outcome)});
  }
  if (!must_retry) retries.clear();
  return ended;
}

}  // namespace

std::optional<std::string> expand_first(std::string_view words, const Environment& environment) {
  while (!words.empty()) {
    const std::string_view word = take_until(words, ' ');
    if (word.empty()) continue;
    if (std::optional<std::string> expanded = expand(word, environment)) return expanded;
  }
  return std::nullopt;
}

std::optional<std::vector<Envelope>> envelopes_of(const CommandEnvelope& given,
                                                  std::string_view words,
                                                  const Environment& environment,
                                                  std::string& problem) {
  const std::optional<std::string> sender = given.sender ? given.sender : environment("SENDER");
  if (!sender) {
    problem = "no -f SENDER, and SENDER is not in the environment";
    return std::nullopt;
  }
  std::vector<std::string> recipients = given.recipients;
  if (recipients.empty()) {
    const std::optional<std::string> recipient = expand_first(words, environment);
    if (!recipient) {
      problem = "no RECIPIENT, and the environment gives none for " + std::string(words);
      return std::nullopt;
    }
    recipients.push_back(*recipient);
  }
  std::vector<Envelope> envelopes;
  for (auto it = recipients.begin(); it != recipients.end(); ++it) {
    if (std::find(recipients.begin(), it, *it) != it) continue;
    envelopes.push_back({*sender, given.original.value_or(*it), *it});
  }
  return envelopes;
}

int deliver_command(Agent& agent, const std::vector<Envelope>& envelopes, int input) {
  Fd spooled;
  const Result<MessageSource> source = source_of(input, agent.settings().spool_directory, spooled);
  std::vector<Ended> ended;
  if (!source.ok()) {
    for (const Envelope& envelope : envelopes) {
      ended.push_back({&envelope, cannot_spool(source.error())});
      log_line(delivery_line(envelope, {}, ended.back().outcome, 0));
    }
  } else if (envelopes.size() == 1) {
    ended.push_back({&envelopes.front(), agent.deliver(envelopes.front(), source.value())});
  } else {
    ended = deliver_to_several(agent, envelopes, source.value());
  }
  const int code = report(std::move(ended));
  release_log();
  return code;
}

}  // namespace qv::deliver
