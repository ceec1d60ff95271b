// Properties of the whole schema graph. Types are in the order in which their definitions open: a pass from
// the last to the first meets the parts of a nested text before their wholes, a pass the other way the parts
// of a text that names what it defined before. The passes alternate, and nesting is bounded before any of
// them runs.
#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "schema/parser.h"

namespace millrace::avro {
namespace {

constexpr std::uint32_t wire_bytes_cap = 65'535;
constexpr int passes_max = 64;

using node_list = std::vector<std::unique_ptr<schema_node>>;

// Visits every node, backwards or forwards; true when a visit changed something.
template <class Visit>
[[nodiscard]] bool pass(const node_list& nodes, bool backwards, const Visit& visit) {
  bool changed = false;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    changed |= visit(*nodes[backwards ? nodes.size() - 1 - i : i]);
  return changed;
}

// One more round of "can be finite": a record when all its fields are, a union when a branch is.
[[nodiscard]] bool grow_finite(const node_list& nodes, bool backwards,
                               std::unordered_set<const schema_node*>& infinite) {
  const auto is_finite = [&](const schema_node* node) { return !infinite.contains(node); };
  return pass(nodes, backwards, [&](const schema_node& node) {
    if (is_finite(&node)) return false;
    const bool finite = node.type == schema_type::record
                            ? std::all_of(node.fields.begin(), node.fields.end(),
                                          [&](const auto& f) { return is_finite(f.type); })
                            : std::any_of(node.branches.begin(), node.branches.end(), is_finite);
    if (finite) infinite.erase(&node);
    return finite;
  });
}

[[nodiscard]] result<void> check_exits(const node_list& nodes) {
  std::unordered_set<const schema_node*> infinite;
  for (const auto& node : nodes) {
    if (node->type == schema_type::record ||
        (node->type == schema_type::union_of && !node->branches.empty())) {
      infinite.insert(node.get());
    }
  }
  bool changed = true;
  while (changed) {
    changed = grow_finite(nodes, true, infinite);
    changed |= grow_finite(nodes, false, infinite);
  }
  for (const auto& node : nodes) {
    if (infinite.contains(node.get()) && node->type == schema_type::record) {
      return error(errc::schema_invalid,
                   "$: record " + in_quotes(node->name) +
                       " contains itself with no way out: put the inner one into a union with "
                       "null, an array or a map");
    }
  }
  return {};
}

[[nodiscard]] std::uint32_t fewest_bytes(const schema_node& node) {
  switch (node.type) {
    case schema_type::null:
      return 0;
    case schema_type::boolean:
    case schema_type::int32:
    case schema_type::int64:
    case schema_type::bytes:
    case schema_type::string:
    case schema_type::enumeration:
    case schema_type::array:
    case schema_type::map:
      return 1;
    case schema_type::float32:
      return 4;
    case schema_type::float64:
      return 8;
    case schema_type::fixed:
      return static_cast<std::uint32_t>(std::min<std::size_t>(node.size, wire_bytes_cap));
    case schema_type::record: {
      std::uint32_t sum = 0;
      for (const schema_field& field : node.fields) {
        sum = std::min(sum + field.type->wire_bytes_min, wire_bytes_cap);
      }
      return sum;
    }
    case schema_type::union_of: {
      std::uint32_t least = node.branches.empty() ? 0 : wire_bytes_cap;
      for (const schema_node* branch : node.branches) least = std::min(least, branch->wire_bytes_min);
      return std::min(least + 1, wire_bytes_cap);
    }
  }
  return 0;
}

// Grows from 0, so that stopping early leaves a lower bound: never wrong, only less strict.
void fill_wire_bytes(const node_list& nodes) {
  bool changed = true;
  for (int i = 0; changed && i < passes_max; ++i) {
    changed = pass(nodes, i % 2 == 0, [](schema_node& node) {
      const std::uint32_t bytes = fewest_bytes(node);
      return std::exchange(node.wire_bytes_min, bytes) != bytes;
    });
  }
}

// Tarjan's strongly connected components: a record is recursive when its component has an edge inside. On the
// way, the height of every type: text is flat where each type names the one before, the types are not.
class recursion_finder {
 public:
  explicit recursion_finder(std::size_t depth_max) : depth_max_(depth_max) {}

  [[nodiscard]] bool visit(const schema_node* node, std::size_t depth) {
    if (depth > depth_max_) return false;
    const std::size_t index = next_++;
    // References to a map's values stay good while others are added.
    mark& mine = state_.try_emplace(node, mark{index, index, 0, true, false}).first->second;
    stack_.push_back(node);
    const auto edge = [&](const schema_node* to) {
      const auto seen = state_.find(to);
      if (seen == state_.end()) {
        if (!visit(to, depth + 1)) return false;
        mine.low = std::min(mine.low, state_.at(to).low);
      } else if (seen->second.on_stack) {
        mine.low = std::min(mine.low, seen->second.index);
        mine.looped |= to == node;
        return true;
      }
      mine.height = std::max(mine.height, state_.at(to).height + 1);
      return mine.height <= depth_max_;
    };
    for (const schema_field& field : node->fields) {
      if (!edge(field.type)) return false;
    }
    for (const schema_node* branch : node->branches) {
      if (!edge(branch)) return false;
    }
    if (node->item != nullptr && !edge(node->item)) return false;
    if (mine.low == index) close(node);
    return true;
  }
  [[nodiscard]] bool visited(const schema_node* node) const { return state_.contains(node); }
  [[nodiscard]] bool recursive(const schema_node* node) const { return recursive_.contains(node); }

 private:
  struct mark {
    std::size_t index = 0;
    std::size_t low = 0;
    std::size_t height = 0;
    bool on_stack = false;
    bool looped = false;
  };
  void close(const schema_node* root) {
    const bool many = stack_.back() != root;
    for (;;) {
      const schema_node* node = stack_.back();
      stack_.pop_back();
      mark& closed = state_.at(node);
      closed.on_stack = false;
      if (many || closed.looped) recursive_.insert(node);
      if (node == root) return;
    }
  }

  std::size_t depth_max_;
  std::size_t next_ = 0;
  std::map<const schema_node*, mark> state_;
  std::vector<const schema_node*> stack_;
  std::unordered_set<const schema_node*> recursive_;
};

}  // namespace

result<void> finish_graph(const std::vector<std::unique_ptr<schema_node>>& nodes, const schema_node& root,
                          std::size_t depth_max) {
  recursion_finder finder(depth_max);
  const bool shallow =
      finder.visit(&root, 0) && std::all_of(nodes.begin(), nodes.end(), [&](const auto& node) {
        return finder.visited(node.get()) || finder.visit(node.get(), 0);
      });
  if (!shallow) {
    return error(errc::limit_exceeded, "$: types nest deeper than " + std::to_string(depth_max));
  }
  if (auto sound = check_exits(nodes); !sound) return sound;
  fill_wire_bytes(nodes);
  for (const auto& node : nodes)
    node->recursive = node->type == schema_type::record && finder.recursive(node.get());
  return {};
}

}  // namespace millrace::avro
