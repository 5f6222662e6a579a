#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proto/gotemplate/functions.h"
#include "proto/gotemplate/methods.h"
#include "proto/gotemplate/node.h"
#include "proto/gotemplate/template.h"

namespace weir::gotemplate {

/// What the evaluator and the walker share about one execution.
struct Running {
    std::string_view file, text;  ///< the template's own name and its text: where errors happen
    const Options& options;
    std::string_view current = {};  ///< the definition under way
    const Node* node = nullptr;     ///< what an error is about
    std::size_t steps = 0, made = 0;
    std::string error = {};

    struct Variable {
        std::string_view name;
        Value value;
    };
    std::vector<Variable> variables = {};
    std::size_t first_variable = 0;  ///< of the definition under way

    [[nodiscard]] bool fail(std::string_view what);
    [[nodiscard]] bool step();
    [[nodiscard]] bool pay(std::size_t bytes);
    [[nodiscard]] bool assign(std::string_view name, const Value& value);
};

/// Evaluates pipelines (sections 5 to 7 of the facts). Every function answers false after an error, which `Running`
/// keeps.
class Evaluator {
public:
    explicit Evaluator(Running& running) : r_(running) {}

    [[nodiscard]] bool pipeline(const Value& dot, const Node* pipe, Value& out);

private:
    /// What a command is called with: its operands (the first is the command itself) and the value of the stage before.
    struct Call {
        std::span<const NodePtr> operands = {};
        const Value* last = nullptr;

        [[nodiscard]] bool any() const { return operands.size() > 1 || last != nullptr; }
        [[nodiscard]] std::span<const NodePtr> arguments() const {
            return operands.empty() ? operands : operands.subspan(1);
        }
    };
    /// Types of the parameters; a null type takes a value as it is.
    struct Parameters {
        std::vector<TypeRef> fixed = {};
        bool variadic = false;
        TypeRef rest = nullptr;
    };

    bool command(const Value& dot, const Node& node, const Value* last, Value& out);
    bool plain_operand(const Value& dot, const Node& node, const Call& call, Value& out);
    bool not_a_function(const Node& node, const Call& call);
    bool fields_of_dot(const Value& dot, const Node& node, const Call& call, Value& out);
    bool chain(const Value& dot, const Node& node, const Call& call, Value& out);
    bool variable(const Value& dot, const Node& node, const Call& call, Value& out);
    bool field_chain(const Value& dot, Value receiver, const Node& node, std::span<const std::string> names,
                     const Call& call, Value& out);
    bool field(const Value& dot, const std::string& name, const Node& node, const Call& call, const Value& receiver,
               Value& out);
    bool struct_field(const std::string& name, const Value& v, const std::string& static_type, const Call& call,
                      Value& out, bool& found);
    bool map_entry(const std::string& name, const Value& v, const Call& call, Value& out, bool& found);
    bool method(const Value& dot, const Method& m, const Value& receiver, const std::string& name, const Node& node,
                const Call& call, Value& out);
    bool function(const Value& dot, const Node& name, const Node& where, const Call& call, Value& out);
    bool and_or(const Value& dot, bool is_or, const Call& call, Value& out);
    bool call_function(const Node& where, const Call& call, std::span<const Value> arguments, Value& out);
    bool count_fits(std::string_view name, const Call& call, std::size_t fixed, bool variadic);
    bool arguments(const Value& dot, const Parameters& parameters, const Call& call, Values& out);
    bool argument(const Value& dot, const TypeRef& type, const Node& node, Value& out);
    bool literal(const TypeRef& type, const Node& node, Value& out);
    bool number_literal(const TypeRef& type, const Node& node, Value& out);
    bool constant(const Node& node, Value& out);
    bool fit(const Value& v, const TypeRef& type, Value& out);
    bool called(const Node& where, std::string_view name, bool good, const std::string& error, const Value& result);

    Running& r_;
};

}  // namespace weir::gotemplate
