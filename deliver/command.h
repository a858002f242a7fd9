// SPDX-License-Identifier: 0BSD
// deliver/command.h - one message on standard input, from a .qmail line or any pipe transport.
//
// The envelope is on the command line or, without recipients there, in the environment as
// qmail-command(8) sets it.
//
// Manual: qmail-virtual(8), "EXIT STATUS".  Tests: tests/deliver/command_test.cc
#ifndef QV_DELIVER_COMMAND_H_
#define QV_DELIVER_COMMAND_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deliver/agent.h"
#include "deliver/message.h"

namespace qv::deliver {

// A variable of the environment, or nullopt.
using Environment = std::function<std::optional<std::string>(std::string_view)>;

// The first of the blank-separated `words` whose $VARIABLES are all set and not empty, with their
// values in place; nullopt where there is none.  A name consists of letters, digits and '_'.
[[nodiscard]] std::optional<std::string> expand_first(std::string_view words,
                                                      const Environment& environment);

struct CommandEnvelope {
  std::optional<std::string> sender;    // -f
  std::optional<std::string> original;  // -d
  std::vector<std::string> recipients;
};

// The envelopes to deliver to, in order, each recipient once.  `words` is virtual_recipient.
// nullopt, and `problem` set: there is no sender or no recipient.
[[nodiscard]] std::optional<std::vector<Envelope>> envelopes_of(const CommandEnvelope& given,
                                                                std::string_view words,
                                                                const Environment& environment,
                                                                std::string& problem);

// Delivers the message on `input` to all of them and returns the worst exit code.  For each failure
// a line "code recipient: text" goes to standard output, the worst first: qmail puts the lines into
// the bounce, Postfix's pipe(8) takes its code from the first one.  Ends with release_log().
[[nodiscard]] int deliver_command(Agent& agent, const std::vector<Envelope>& envelopes, int input);

}  // namespace qv::deliver

#endif  // QV_DELIVER_COMMAND_H_
