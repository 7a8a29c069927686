#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/events/event.h"

namespace world {

// The recipient, message, destination or host that an event is about, as tests name it.
class SubjectOf {
public:
    std::string operator()(const mta::events::HostFailed& event) const {
        return event.error.remote;
    }
    std::string operator()(const mta::events::Failed& event) const {
        return name_of(event.recipient) + " " + mta::to_string(event.error.status);
    }
    std::string operator()(const mta::events::ReportQueued& event) const {
        return std::to_string(event.report) + " about " + std::to_string(event.id);
    }
    std::string operator()(const mta::events::ReportDropped& event) const {
        static constexpr const char* reasons[] = {"null sender", "not wanted", "not made"};
        return name_of(event.recipient) + " " + reasons[static_cast<int>(event.reason)];
    }
    std::string operator()(const mta::events::SourceSuspended& event) const { return event.source; }
    std::string operator()(const auto& event) const {
        if constexpr (requires { event.recipient; }) {
            return name_of(event.recipient);
        } else if constexpr (requires { event.id; }) {
            return std::to_string(event.id);
        } else if constexpr (requires { event.destination; }) {
            return event.destination;
        } else {
            return {};
        }
    }

private:
    static std::string name_of(const mta::events::RecipientRef& recipient) {
        return recipient.address.empty()
                   ? std::to_string(recipient.id) + "#" + std::to_string(recipient.recipient)
                   : recipient.address;
    }
};

// A sink that keeps all events.
class EventRecorder {
public:
    void add(const mta::events::Event& event) { events_.push_back(event); }

    // The events of this type whose subject begins so.
    template <class Type>
    [[nodiscard]] std::size_t count(std::string_view subject = {}) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(events_, [&](const mta::events::Event& event) {
                const auto* const one = std::get_if<Type>(&event);
                return one != nullptr && SubjectOf{}(*one).starts_with(subject);
            }));
    }

    // With this subject, and not a longer one.
    template <class Type>
    [[nodiscard]] std::size_t count_exact(std::string_view subject) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(events_, [&](const mta::events::Event& event) {
                const auto* const one = std::get_if<Type>(&event);
                return one != nullptr && SubjectOf{}(*one) == subject;
            }));
    }

private:
    std::vector<mta::events::Event> events_;
};

}  // namespace world
