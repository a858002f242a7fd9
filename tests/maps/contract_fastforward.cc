// SPDX-License-Identifier: 0BSD
#include "tests/maps/cdb_maker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("fastforward", "t.cdb", "t.cdb") {
    known_value = std::string("&a@example.com\0", 15);
    make_cdb(scratch.path("t.cdb"), {{":user@example.org", std::string("&a@example.com\0", 15)},
                                     {"?user@example.org", "o"}});
    for (const off_t size : {0, 2047, 2080}) add_truncation(size);
    add_truncation(0, true);
    add_flip(2057, 0);
  }
};

const RegisterContract registered("fastforward", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
