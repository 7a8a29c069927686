#include "mta/outbound/lifecycle/wake_ups.h"

#include <algorithm>
#include <utility>

#include "mta/base/domain.h"

namespace mta::outbound {
namespace {

// Looked at in one turn of the loop.

}  // namespace

WakeUp WakeUps::ask(const std::string& domain, bool is_tree) {
    using Kind = WakeUp::Kind;
    if (context_.is_draining()) return {Kind::busy};
    if (is_tree ? !is_any_ours(domain) : !is_ours(domain)) return {Kind::not_ours};
    const auto known = table_.find_domain(domain);
    const auto waiting = known ? table_.domain(known).recipients : 0;
    if (!is_tree && waiting == 0) return {Kind::nothing_waits};
    forget_old();
    const auto pattern = (is_tree ? "." : "") + domain;
    if (asked_.contains(pattern)) return {Kind::under_way, waiting};
    if (asked_.size() >= asked_max) return {Kind::busy};
    asked_.emplace(pattern, context_.now());
    for_next_walk_.push_back(pattern);
    if (waiting > 0) handlers_.wake(known);
    context_.request_tick();
    return {is_tree ? Kind::started_unknown : Kind::started, waiting};
}

void WakeUps::tick() {
    if (!walk_.is_under_way() && !for_next_walk_.empty() && context_.now() >= no_walk_before_) {
        walk_.begin();
        domains_.clear();
        for (const auto& pattern : std::exchange(for_next_walk_, {})) {
            const bool is_tree = pattern.starts_with('.');
            add(is_tree ? pattern.substr(1) : pattern, is_tree);
        }
    }
    if (!walk_.is_under_way()) return;
    const bool is_last = walk_.step(
        table_, [this](queue::MessageHandle message) { handlers_.make_due(message, domains_); });
    context_.request_tick();
    if (is_last) no_walk_before_ = context_.now() + pause;
}

std::optional<Instant> WakeUps::next_wakeup() const {
    if (walk_.is_under_way() || for_next_walk_.empty()) return std::nullopt;
    return no_walk_before_;
}

void WakeUps::add(const std::string& domain, bool is_tree) {
    const auto& table = table_;
    const auto take = [&](queue::DomainHandle meant) {
        if (table.domain(meant).recipients == 0 || !is_ours(table.domain(meant).name)) return;
        if (!domains_.contains(meant)) handlers_.wake(meant);
        domains_.insert(meant);
    };
    if (const auto known = table.find_domain(domain)) take(known);
    if (!is_tree) return;
    for (const auto other : table.domains())
        if (is_under(table.domain(other).name, domain)) take(other);
}

// Mail for it is stored here and forwarded by a static route.
bool WakeUps::is_ours(std::string_view domain) const {
    const auto is_named = [domain](std::string_view ours) {
        return ours.starts_with('.') ? is_under(domain, ours.substr(1)) : domain == ours;
    };
    return std::ranges::any_of(context_.settings().relay.domains, is_named) &&
           router_.routes().find(domain) != nullptr;
}

bool WakeUps::is_any_ours(std::string_view tree) const {
    if (is_ours(tree)) return true;
    return std::ranges::any_of(context_.settings().relay.domains, [&](std::string_view ours) {
        const bool is_subtree = ours.starts_with('.');
        if (is_subtree) ours.remove_prefix(1);
        return ours == tree || is_under(ours, tree) || (is_subtree && is_under(tree, ours));
    });
}

void WakeUps::forget_old() {
    std::erase_if(asked_,
                  [&](const auto& asked) { return context_.now() - asked.second >= again_after; });
}

}  // namespace mta::outbound
