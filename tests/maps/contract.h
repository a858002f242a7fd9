// SPDX-License-Identifier: 0BSD
// tests/maps/contract.h - what every table type must do, and how each type is made for the test.
//
// Each type has a file tests/maps/contract_NAME.cc, which registers a Contract of that name; the
// test fails for a registered type that has none.
#ifndef QV_TESTS_MAPS_CONTRACT_H_
#define QV_TESTS_MAPS_CONTRACT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/maps/scratch.h"

namespace qv::maps {

// Something that can happen to what is behind a table.
struct Damage {
  std::string name;
  std::function<void()> happen;
  // What it does is there before the table is opened, or while it is open.
  bool while_open = false;
};

// One table for one test, with an entry `known_key`.
class ContractTable {
 public:
  virtual ~ContractTable() = default;

  // "type:name", to be opened.
  [[nodiscard]] virtual std::string name() const = 0;

  std::string known_key = "user@example.org";
  std::string known_value = "box/";
  std::string absent_key = "nobody@example.net";
  // An entry whose value holds a NUL, where the type can have one.
  std::string nul_key;
  std::string nul_value;
  // Each must lead to a Fault for known_key, when the table is opened or when it is asked.
  std::vector<Damage> damages;
  // `static` finds every key; `fail` fails for every key.
  bool finds_all = false;
  bool fails_all = false;
  // update() says whether there was a value before.
  bool tells_replaced = true;
  // A key of 64 KiB may be a Fault instead of absent (a limit of the server).
  bool long_key_may_fail = false;
  // A look-up of this key lasts until the server is killed or the time limit strikes.
  std::string slow_table;
  std::function<void()> kill;
  std::function<bool()> revive;
};

using MakeContract = std::function<std::unique_ptr<ContractTable>()>;

struct Contract {
  MakeContract make;
  // Not empty: cannot be tried here, and why.
  std::function<std::string()> missing;
};

std::map<std::string, Contract>& contracts();

// Registers at the start of the program; test programs link all of their objects.
class RegisterContract {
 public:
  RegisterContract(const std::string& type, MakeContract make,
                   std::function<std::string()> missing = {}) {
    contracts()[type] = {std::move(make), std::move(missing)};
  }
};

// A table that is one file, with the damages every file can have.
class FileContract : public ContractTable {
 public:
  // `type`, and the file's name as it stands behind the colon and on disk.
  FileContract(std::string type, const std::string& table, const std::string& file)
      : type_(std::move(type)), table_(scratch.path(table)), file_(file) {
    const std::string path = scratch.path(file);
    damages.push_back({"missing", [path] { unlink(path.c_str()); }});
    damages.push_back({"a directory", [path] {
                         unlink(path.c_str());
                         EXPECT_EQ(mkdir(path.c_str(), 0755), 0);
                       }});
    damages.push_back({"a loop of links", [path] {
                         unlink(path.c_str());
                         EXPECT_EQ(symlink(path.c_str(), path.c_str()), 0);
                       }});
  }
  std::string name() const override { return type_ + ":" + table_; }

  // Cuts the file to `size` bytes.
  void add_truncation(off_t size, bool while_open = false) {
    const std::string path = scratch.path(file_);
    damages.push_back({"truncated to " + std::to_string(size) + (while_open ? ", open" : ""),
                       [path, size] { EXPECT_EQ(truncate(path.c_str(), size), 0); }, while_open});
  }
  // Turns one bit round.
  void add_flip(std::size_t offset, unsigned bit) {
    damages.push_back(
        {"bit " + std::to_string(bit) + " of byte " + std::to_string(offset), [this, offset, bit] {
           std::string text = scratch.read(file_);
           ASSERT_LT(offset, text.size());
           text[offset] = static_cast<char>(text[offset] ^ (1 << bit));
           scratch.write(file_, text);
         }});
  }

  Scratch scratch;

 private:
  std::string type_;
  std::string table_;
  std::string file_;
};

}  // namespace qv::maps

#endif  // QV_TESTS_MAPS_CONTRACT_H_
