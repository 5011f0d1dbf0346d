"""Every sentence of the web page, in one place. A translation is a subclass that says the same in its own words.

The sentences are plain text; `markup` escapes what is put into them. Those that label widgets hold no text of users.
"""

from __future__ import annotations

from typing import ClassVar


class English:
    """The words of the page."""

    # --- everywhere
    product = "Knownface"
    start, enrol, verify, identify, gallery = "Start", "Enrol", "Verify", "Identify", "Gallery"
    upload, camera = "Upload", "Camera"
    source_label = "Where the photo comes from"
    photo_label = "Photo"
    photos_label = "Photos"
    camera_label = "Take a picture"
    looking = "Looking at the photo…"
    working = "Looking at photo {number} of {total}…"
    loading = "Loading the models…"
    face_choice = "Which face?"
    photo_alt = "Photo {name}: {faces}"
    crop_alt = "Face {number}"
    no_faces, one_face, many_faces = "no face found", "one face", "{count} faces"
    too_many = "Only the first {limit} photos are used. Please bring the others in a second go."
    zip_empty = "{name}: holds no photos."
    too_much = (
        "These photos take {megabytes} MB together; at most {limit} MB are taken at once. Please remove some of them."
    )
    unexpected_system = "The system said: {message}."
    models_missing = "The models are not installed yet"
    models_missing_how = "Run this command once in a terminal, then reload this page:"
    score = "score"
    threshold = "threshold"
    scale_alt = "Score {score} on a scale from {low} to {high}; the threshold is {threshold}."
    scale_low, scale_high = "different people", "same person"

    # --- start
    start_lead = (
        "Knownface recognises faces in photos and says how sure it is. Everything happens on this computer: "
        "photos you bring are looked at in memory and never stored."
    )
    start_people, start_samples = "people enrolled", "photos enrolled"
    start_person, start_sample = "person enrolled", "photo enrolled"
    start_empty = "Nobody is enrolled yet. Start with “Enrol”: a name and one clear photo of a person are enough."
    start_verify_first = "“Verify” works at once: it compares two photos and needs nobody enrolled."
    enrol_does = "Teach Knownface a person from one or more photos."
    verify_does = "Do two photos show the same person?"
    identify_does = "Put names to the faces in your photos."
    gallery_does = "See, rename, merge and remove the people enrolled."
    go_enrol, go_verify = "Enrol a person", "Compare two photos"
    go_identify, go_gallery = "Name the faces in photos", "Look after the gallery"

    # --- verify
    verify_lead = "Bring two photos. Knownface compares one face of each and shows what its answer rests on."
    side_a, side_b = "First photo", "Second photo"
    verify_wait = "The answer appears here once both photos show a face."
    is_match, is_non_match, is_poor = "Same person", "Not the same person", "This picture cannot tell"
    match_meaning = "The two faces are alike enough to be taken for one person."
    non_match_meaning = "The two faces are not alike enough to be taken for one person."
    poor_meaning = "The two faces are not alike enough, but one of them is too poor for that to say much."
    rates_title = "What this threshold stands for"
    rate_false_match = "of pairs of different people are wrongly taken for one person (at most {upper}, 95 % interval)"
    rate_false_non_match = "of pairs of one person are missed"
    rate_origin = "The threshold comes from {origin}."
    rate_basis = "Measured on {non_mated} pairs of different people and {mated} pairs of one person: {measured_on}."
    rate_model = "Model: {model_id}. The score is the cosine similarity of the two faces; higher is more alike."
    details = "How this was measured"

    # --- enrol
    enrol_lead = (
        "Give a name and bring photos that show the person clearly. One is enough; a few different ones are better."
    )
    name_label = "Name"
    name_help = "Any name. Photos of a person who is enrolled already are added to that person."
    name_missing = "Give the person a name, then enrol."
    name_known = "{name} is enrolled already with {count}; these photos will be added."
    one_photo, many_photos = "1 photo", "{count} photos"
    judge_no_face = "No face was found. Use a photo in which the face is larger, sharper or less turned."
    judge_several = "{count} faces: choose the one to enrol by the number in the picture."
    judge_good = "One clear face, {width} pixels wide."
    judge_chosen = "Face {number} is chosen, {width} pixels wide."
    judge_small = "The face is very small ({width} pixels wide). A closer photo is recognised more surely."
    judge_dark = "The face is very dark. A photo with more light on the face is recognised more surely."
    judge_bright = "The face is overexposed. A photo with softer light is recognised more surely."
    judge_edge = "The face is cut off at the edge of the photo."
    judge_fits = "Fits the photos of {name} that are already here (score {score})."
    judge_unlike = (
        "Does not look like the photos of {name} that are already here (score {score}, threshold {threshold}). "
        "Is it really the same person?"
    )
    judge_already = "Already here as {name}? The face scores {score} with that person (threshold {threshold})."
    judge_ambiguous = "Looks like two people who are enrolled: {name} and {other}."
    judge_apart = "Does not look like any of the other photos brought here. Is it the same person?"
    judge_same_file = "The same photo as one above; it counts once."
    use_name = "Use that name"
    enrol_one, enrol_many = "Enrol 1 photo", "Enrol {count} photos"
    enrol_none = "Enrol"
    enrol_skips = "{count} without a usable face will be left out."
    done_enrolled = "Enrolled: {name}, from {photo}"
    done_already = "Enrolled before, nothing changed: {name}, from {photo}"
    undo = "Undo this enrolment"
    undone = "Undone: {count} removed again."

    # --- identify
    identify_lead = (
        "Bring photos, or a zip of photos. Every face gets a name from the gallery, or stays unknown when nobody is "
        "alike enough."
    )
    identify_empty = "Nobody is enrolled yet, so every face would stay unknown. Enrol somebody first."
    identify_summary = "{photos}: {named} named, {unknown} unknown, {ambiguous} undecided, {failed} without a result"
    kinds: ClassVar[dict[str, str]] = {
        "match": "found",
        "unknown": "unknown",
        "ambiguous": "undecided",
        "non_match": "no match",
        "poor_image": "poor image",
        "no_face": "no face",
    }
    unknown_person = "Unknown person"
    undecided_person = "Undecided"
    poor_person = "Too poor a picture to say"
    identify_summary_poor = ", {poor} too poor to say"
    next_best = "next best: {name}, {score}"
    download_csv, download_json = "Download CSV", "Download JSON"
    previous, following = "Previous", "Next"
    page_of, page_only = "{first}–{last} of {total}", "{first}–{last}"

    # --- gallery
    gallery_lead = "Everybody who is enrolled."
    gallery_empty = "Nobody is enrolled yet."
    search_label = "Search by name"
    search_none = "No name contains “{search}”."
    since = "since {date}"
    open_subject = "Open"
    back = "Back to everybody"
    sample_columns = ("No.", "Photo", "Face", "Enrolled")
    sample_face = "{width} × {height} px"
    sample_stale = "not searched: made with another model"
    export_do = "Download what is stored"
    export_help = "Everything that is stored about this person, as one JSON file."
    rename_title, rename_label, rename_do = "Rename", "New name", "Rename"
    renamed = "{old} is now called {new}."
    merge_title = "Merge with somebody"
    merge_search = "Find the other person"
    merge_label = "Move all photos to"
    merge_explain = "All photos of {source} move to {target}, and the name {source} disappears. This cannot be undone."
    merge_do = "Merge"
    merge_nobody = "Nobody else has such a name."
    merge_more = "Only the first {limit} names are offered; type more of the name."
    merged = "{source} was merged into {target}: {count} moved."
    split_title, split_which, split_name, split_do = (
        "Split",
        "Photos to move (their numbers)",
        "To a new person",
        "Split",
    )
    split_explain = "For photos that belong to somebody else: they move to a new name."
    split_none = "Choose the numbers of the photos to move."
    split_done = "{count} moved from {old} to {new}."
    remove_title, remove_ask, remove_do, remove_keep = "Remove", "Remove this person…", "Erase for good", "Keep"
    remove_explain = (
        "This erases {name} for good: the name, {count}, with what is stored of each (the template, where the face was "
        "and the file's name). Backups made earlier are not touched. It cannot be undone."
    )
    removed = "{name} was erased, with {count}."

    def photos(self, count: int) -> str:
        """`1 photo`, `3 photos`."""
        return self.one_photo if count == 1 else self.many_photos.format(count=count)

    def faces(self, count: int) -> str:
        """`no face found`, `one face`, `3 faces`."""
        if count < 2:
            return self.one_face if count else self.no_faces
        return self.many_faces.format(count=count)


words = English()
