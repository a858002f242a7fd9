// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("texthash", "t", "t") {
    scratch.write("t", "# users\nuser@example.org box/\nother@example.org\n  continued\n");
    add_truncation(20);  // in the middle of a key: a key without a value
  }
};

const RegisterContract registered("texthash", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
