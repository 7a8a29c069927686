#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/ip_address.h"
#include "mta/outbound/ports.h"

namespace mta::outbound {

// What nearly every part of the queue manager uses: the time, the settings, the events, and the
// request for another tick().
class Context {
public:
    Context(SettingsPtr settings, Hooks hooks)
        : settings_(std::move(settings)), hooks_(std::move(hooks)) {}

    [[nodiscard]] Instant now() const { return hooks_.now(); }
    [[nodiscard]] const UtcOffsetAt& utc_offset_at() const { return hooks_.utc_offset_at; }

    [[nodiscard]] const conf::Settings& settings() const { return *settings_; }
    [[nodiscard]] const SettingsPtr& settings_ptr() const { return settings_; }
    // Returns the former ones.
    SettingsPtr replace_settings(SettingsPtr settings) {
        return std::exchange(settings_, std::move(settings));
    }

    void event(const events::Event& event) const {
        if (hooks_.on_event) hooks_.on_event(event);
    }
    [[nodiscard]] const MakeReports& make_reports() const { return hooks_.make_reports; }

    // Something is left for tick(): asks the driver for one, once.
    void request_tick() {
        if (is_tick_requested_) return;
        is_tick_requested_ = true;
        hooks_.request_tick();
    }
    void begin_tick() { is_tick_requested_ = false; }

    // The relay is stopping: nothing new begins.
    [[nodiscard]] bool is_draining() const { return is_draining_; }
    void drain() { is_draining_ = true; }

    // Something that is in the hints has changed: a trouble began, ended or was looked at again, a
    // rate was used, a destination answered that had not.
    void note_trouble() { ++troubles_version_; }
    [[nodiscard]] std::uint64_t troubles_version() const { return troubles_version_; }

    // The addresses of this relay, and the names under which an MX record may mean it.
    [[nodiscard]] const std::vector<IpAddress>& own_addresses() const { return own_addresses_; }
    void set_own_addresses(std::vector<IpAddress> addresses) {
        own_addresses_ = std::move(addresses);
    }
    [[nodiscard]] std::vector<std::string> own_names() const {
        std::vector<std::string> names = {settings_->hostname};
        for (const auto& source : settings_->sources) names.push_back(source.ehlo);
        return names;
    }

private:
    SettingsPtr settings_;
    Hooks hooks_;
    std::vector<IpAddress> own_addresses_;
    std::uint64_t troubles_version_ = 0;
    bool is_tick_requested_ = false;
    bool is_draining_ = false;
};

}  // namespace mta::outbound
