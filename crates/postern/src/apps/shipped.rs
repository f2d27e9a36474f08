//! The apps that come with Postern: the files of `apps/`, built in.

macro_rules! files {
    ($($id:literal)*) => {
        /// Short name and text of each.
        pub(super) const SHIPPED: &[(&str, &str)] = &[
            $(($id, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../apps/", $id, ".toml"))),)*
        ];
    };
}

files! {
    "alpine"
    "apple-calendar"
    "apple-contacts"
    "apple-mail"
    "busycal"
    "calcurse"
    "claws-mail"
    "curl"
    "cyberduck"
    "davfs2"
    "davx5"
    "em-client"
    "evolution"
    "fairemail"
    "fantastical"
    "finder"
    "geary"
    "gmail"
    "gnome-calendar"
    "gnome-files"
    "k-9"
    "kmail"
    "mailspring"
    "mbsync"
    "msmtp"
    "mutt"
    "neomutt"
    "nodejs"
    "offlineimap"
    "onecalendar"
    "outlook"
    "outlook-caldav-synchronizer"
    "outlook-mac"
    "outlook-mobile"
    "outlook-new"
    "printer"
    "python"
    "rclone"
    "roundcube"
    "samsung-email"
    "spark"
    "swaks"
    "thunderbird"
    "thunderbird-android"
    "vdirsyncer"
    "windows-explorer"
    "windows-mail"
}
