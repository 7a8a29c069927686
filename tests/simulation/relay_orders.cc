// Operators, clients with ETRN and new settings change the queue at any time. Each order must touch
// what it names and nothing else.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/simulation/relay_rules.h"
#include "tests/simulation/relay_world.h"
#include "tests/support/operator_orders.h"

namespace simulation {

using namespace mta::outbound;

namespace {

bool is_named(const RecipientNumbers& only, std::uint32_t number) {
    return !only || std::ranges::binary_search(*only, number);
}

const RecipientView* find_in(const std::optional<MessageView>& message, std::uint32_t number) {
    if (!message) return nullptr;
    const auto found = std::ranges::find(message->recipients, number, &RecipientView::number);
    return found == message->recipients.end() ? nullptr : &*found;
}

}  // namespace

void RelayWorld::plan_orders() {
    if (!chance(70)) return;
    for (auto orders = 5 + pick(60); orders > 0; --orders)
        agenda_.later(pick_time(mail_comes_for + settings_.retry.lifetime), [this] { order(); });
    for (auto reloads = pick(8); reloads > 0; --reloads)
        agenda_.later(pick_time(4 * 24h), [this] { reload(); });
}

// Mostly picks a message that is still in the queue.
queue::MessageId RelayWorld::pick_message() {
    queue::MessageId id = 0;
    for (int tries = 0; tries < 20 && !number_of_.empty(); ++tries) {
        const auto first = number_of_.begin()->first;
        const auto last = number_of_.rbegin()->first;
        id = number_of_.lower_bound(first + pick(last - first + 1))->first;
        if (manager_->desk().find(id)) break;
    }
    return id;
}

RecipientNumbers RelayWorld::pick_recipients() {
    if (chance(60)) return std::nullopt;
    std::vector<std::uint32_t> only;
    for (std::uint32_t number = 0; number < 9; ++number)
        if (chance(50)) only.push_back(number);
    return only;
}

void RelayWorld::order() {
    if (!manager_ || !is_loaded_) return;
    last_order_ = agenda_.now();
    const auto& domain = domains[pick(domains.size())];
    const auto dice = pick(100);
    const auto held = manager_->desk().counters().held;
    if (dice < 65) {
        const Order orders[] = {Order::hold,    Order::hold,   Order::release,
                                Order::release, Order::cancel, Order::bounce};
        order_about(orders[pick(6)], pick_message(), pick_recipients());
    } else if (dice < 75) {
        named_until_ = agenda_.now() + named_max;
        EXPECT_LE(manager_->desk().flush(pick_message(), pick_recipients()), 9u);
    } else if (dice < 85) {
        if (is_to_branch(domain)) named_until_ = agenda_.now() + named_max;
        support::flush(manager_->desk(), domain);
    } else if (dice < 93) {
        named_until_ = agenda_.now() + named_max;
        EXPECT_LE(support::flush(manager_->desk()) + held, manager_->desk().counters().recipients);
    } else {
        order_wake(domain);
    }
    EXPECT_TRUE(dice < 65 || manager_->desk().counters().held == held) << "a flush is no release";
    is_tick_requested_ = true;
}

// Without this, messages that were held and not tried since a restart would wait for ever.
void RelayWorld::release_all() {
    if (!manager_ || !is_loaded_) {
        agenda_.later(1h, [this] { release_all(); });
        return;
    }
    const auto ids = number_of_;
    for (const auto& [id, number] : ids) order_about(Order::release, id, std::nullopt);
    is_tick_requested_ = true;
}

// An ETRN for a domain or a subtree wakes only the mail that is kept here to be fetched.
void RelayWorld::order_wake(const std::string& domain) {
    using Kind = mta::WakeUp::Kind;
    const auto wanted = chance(50) ? "branch.example" : domain;
    const bool is_tree = chance(30);
    const auto answer = manager_->wake(is_tree && chance(50) ? "example" : wanted, is_tree);
    if (!is_tree) {
        EXPECT_EQ(wanted != "branch.example", answer.kind == Kind::not_ours) << wanted;
    }
    if (answer.kind != Kind::not_ours) named_until_ = agenda_.now() + named_max;
}

void RelayWorld::order_about(Order order, queue::MessageId id, const RecipientNumbers& only) {
    const auto before = manager_->desk().find(id);
    std::size_t touched = 0;
    switch (order) {
        case Order::none: return;
        case Order::hold: touched = manager_->desk().hold(id, only); break;
        case Order::release: touched = manager_->desk().release(id, only); break;
        case Order::cancel: touched = manager_->desk().cancel(id, only); break;
        case Order::bounce:
            touched = manager_->desk().bounce(id, "an operator's order", only);
            break;
    }
    ASSERT_TRUE(before || touched == 0) << "an order about a message that is gone";
    if (!before) return;
    const auto after = manager_->desk().find(id);
    std::size_t changed = 0;
    for (const auto& was : before->recipients)
        if (check_order(order, id, was, {find_in(after, was.number), is_named(only, was.number)}))
            ++changed;
    EXPECT_EQ(touched, changed) << "miscounted";
}

// Checks what the order did to one recipient. Returns true if the order touched it.
bool RelayWorld::check_order(Order order, queue::MessageId id, const RecipientView& was,
                             const After& after) {
    const auto* const is = after.view;
    const bool is_report_made = is != nullptr && is->reason == WaitReason::report;
    const bool was_held = was.state == ViewState::held;
    const bool is_held = is != nullptr && is->state == ViewState::held;
    const bool waited_for_release = was.reason == WaitReason::future_release;
    // A recipient in delivery may still be released from it while it waits for room at a host.
    const bool is_free = was.state != ViewState::delivering && was.reason != WaitReason::report;
    bool is_due = false;
    bool is_touched = false;
    switch (order) {
        case Order::none: break;
        case Order::hold:
            is_due = is_free && !was_held;
            is_touched = is_held && !was_held;
            break;
        case Order::release:
            is_due = was_held || waited_for_release;
            is_touched = (was_held && !is_held) ||
                         (waited_for_release && is->reason != WaitReason::future_release);
            break;
        case Order::cancel:
            is_due = is_free;
            // A recipient that was given up goes with the last one beside it, when its report is
            // made.
            is_touched = was.reason != WaitReason::report && is == nullptr;
            break;
        case Order::bounce:
            is_due = is_free;
            is_touched = was.reason != WaitReason::report && (is == nullptr || is_report_made);
            break;
    }
    const auto key = std::pair(number_of_.at(id), static_cast<int>(was.number));
    EXPECT_TRUE(!is_touched || after.is_named) << "an order about others has touched it";
    EXPECT_TRUE(is_touched || !is_due || !after.is_named) << "the order has passed it over";
    if (!is_touched) return false;
    auto& fate = fates_[key];
    fate.ordered_at = agenda_.now();
    if (order == Order::release && waited_for_release) fate.was_released_early = true;
    set_order(key, order == Order::release ? Order::none : order);
    return true;
}

void RelayWorld::set_order(const Key& key, Order order) {
    fates_[key].order = order;
    if (order == Order::hold) {
        held_.insert(key);
    } else {
        held_.erase(key);
    }
}

// A hold lasts until an order or the end of the recipient; nothing else releases it.
void RelayWorld::check_held() const {
    EXPECT_EQ(manager_->desk().counters().held, held_.size())
        << "more or less is held than was ordered";
}

// ---- New settings ----

std::vector<conf::Site> RelayWorld::site_rules() const {
    std::vector<conf::Site> sites = {
        {.match = {"mx1.shared.example"}, .connections_max = shared_connections_max}};
    if (!has_rates_) return sites;
    sites.push_back({.match = {"good.example"}, .message_rate = message_rate});
    sites.push_back({.match = {".flaky.example", "10.0.0.1"}, .connection_rate = connection_rate});
    sites.push_back({.match = {"*"}, .recipients_per_transaction_max = 2});
    return sites;
}

void RelayWorld::reload() {
    auto former = settings_;
    settings_.delivery.connections_max = 6 + static_cast<std::uint32_t>(pick(10));
    settings_.delivery.connections_per_destination_max = 1 + static_cast<std::uint32_t>(pick(6));
    settings_.delivery.messages_per_connection_max = 1 + static_cast<std::uint32_t>(pick(6));
    settings_.delivery.recipients_per_transaction_max = 1 + static_cast<std::uint32_t>(pick(4));
    if (chance(30)) has_rates_ = !has_rates_;
    settings_.sites = site_rules();
    if (chance(30)) {
        settings_.sources.clear();
        if (former.sources.empty()) add_sources();
    }
    if (chance(20)) settings_.routes[0].deliver_between = invent_hours();
    settings_.routes.resize(1);
    for (const auto* domain :
         {"dead.example", "hung.example", "flap.example", "dns.example", "nowhere.example"}) {
        if (!chance(15)) continue;
        auto route = settings_.routes[0];
        route.domain = domain;
        route.lifetime.reset();
        settings_.routes.push_back(std::move(route));
    }
    recent_.clear();
    former_.push_back({agenda_.now(), std::move(former)});
    last_order_ = agenda_.now();
    if (!manager_) return;
    manager_->reload(std::make_shared<const conf::Settings>(settings_));
    is_tick_requested_ = true;
}

std::vector<mta::DailyWindow> RelayWorld::invent_hours() {
    if (!chance(40)) return {};
    has_hours_ = true;
    return {{22 * 60, 6 * 60}, {12 * 60, 12 * 60 + 30}};
}

bool RelayWorld::is_to_branch(const std::string& domain) const {
    return std::ranges::find(settings_.routes, domain, &conf::Route::domain) !=
           settings_.routes.end();
}

// Attempts that began before a reload go on with the former settings.
std::size_t RelayWorld::most(
    const std::function<std::size_t(const conf::Settings&)>& limit_of) const {
    auto most = limit_of(settings_);
    for (const auto& [until, settings] : former_)
        if (agenda_.now() - until <= attempt_duration_max)
            most = std::max(most, limit_of(settings));
    return most;
}

bool RelayWorld::was_reloaded_lately() const {
    return !former_.empty() && agenda_.now() - former_.back().first <= attempt_duration_max;
}

}  // namespace simulation
