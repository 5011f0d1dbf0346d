"""Words of the page Start."""

from __future__ import annotations


class English:
    """English."""

    start_lead = (
        "Knownface recognises faces in photos and says how sure it is. Everything happens on the computer that this "
        "page comes from: photos you bring are looked at in memory and never stored."
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


class Chinese(English):
    """Simplified Chinese."""

    start_lead = (
        "Knownface 识别照片中的人脸，并说明有多大把握。"
        "一切都在提供本页的电脑上进行：上传的照片只在内存中查看，不会保存。"
    )
    start_people, start_samples = "人已登记", "张照片已登记"
    start_person, start_sample = "人已登记", "张照片已登记"
    start_empty = "还没有登记任何人。请从“登记”开始：一个名字和一张清晰的照片就够了。"
    start_verify_first = "“比对”现在就能用：它比较两张照片，不需要事先登记。"
    enrol_does = "用一张或多张照片让 Knownface 认识一个人。"
    verify_does = "两张照片是同一个人吗？"
    identify_does = "为照片中的人脸找出名字。"
    gallery_does = "查看、改名、合并和删除已登记的人。"
    go_enrol, go_verify = "登记一个人", "比较两张照片"
    go_identify, go_gallery = "为照片中的人脸命名", "管理人员库"
