"""Words of the page Calibrate."""

from __future__ import annotations


class English:
    """English."""

    calibrate = "Calibrate"
    calibrate_lead = (
        "Say which error you can live with; the page finds the score from which on faces count as the same person, on "
        "photos whose people are known."
    )
    calibrate_now = "In force now"
    calibrate_now_verify = "Verify: a score of {threshold} or more; {rate} of pairs of different people reached it."
    calibrate_now_identify = "Identify: a score of {threshold} or more; {rate} of strangers reached it."
    calibrate_clear = "Go back to the model's own thresholds"
    calibrate_clear_help = "Forgets what was saved here. Nothing else changes."
    calibrate_cleared = "The thresholds of the model's card are used again."
    calibrate_people = "People to measure on"
    calibrate_of_gallery, calibrate_of_zip, calibrate_of_folder = "Those enrolled", "A zip", "A folder of the server"
    calibrate_zip = "A zip with a folder for each person"
    calibrate_zip_empty = "{name}: holds no photos in folders; a folder for each person is expected."
    calibrate_folder = "The folder's whole path; in it, a folder for each person"
    calibrate_layout = "Ada/1.jpg, Ada/2.jpg, Grace/1.jpg: two photos or more of each. Nobody may be there twice."
    calibrate_nobody = "Nobody is enrolled yet. Enrol people with several photos each, or bring a zip of other people."
    calibrate_comparing = "Comparing everybody with everybody…"
    calibrate_found = "People: {people}, photos: {photos}."
    calibrate_failed = "Could not be used, and count as misses: {count}."
    calibrate_copies = "Copies left out: {count}."
    calibrate_drawn = "Of them, {count} photos are compared, of people drawn by chance."
    calibrate_wish = "The error you can live with"
    calibrate_task = "For"
    calibrate_verify, calibrate_identify = "Verify: two photos", "Identify: who is it?"
    calibrate_rate_verify = "Of pairs of different people, so many may be taken for one person (FMR)"
    calibrate_rate_identify = "Of strangers, so many may get the name of somebody enrolled (FPIR)"
    calibrate_refused = "These people cannot show such a rate"
    calibrate_threshold = "Threshold {threshold}"
    calibrate_means_verify = (
        "Two photos whose score is {threshold} or more count as one person. It was found on one half of the people and "
        "tried on the other half."
    )
    calibrate_means_identify = (
        "Somebody whose best score is {threshold} or more gets that name, with {size} in the gallery. It was found on "
        "one half of the people and tried on the other half."
    )
    calibrate_wrong_verify = (
        "of pairs of different people would match. With 95 % certainty no more than {upper}, one in {one_in}: "
        "{count} pairs stand behind this."
    )
    calibrate_wrong_identify = (
        "of strangers would get a name. With 95 % certainty no more than {upper}, one in {one_in}: {count} people "
        "stand behind this."
    )
    calibrate_missed_verify = "of pairs of one person would be missed, counted on {count} pairs."
    calibrate_missed_identify = "of those enrolled would not be found, counted on {count} photos."
    calibrate_beyond = (
        "So rare an error cannot be counted with these people: the threshold continues the scores beyond them, and the "
        "bound is wide accordingly."
    )
    calibrate_save = "Use this threshold"
    calibrate_saved = "Saved: the threshold {threshold} is used from now on."
    calibrate_try = "Look at another threshold"
    calibrate_try_help = (
        "Only to look. What is saved is the threshold for the rate above: one that is chosen by what it does here "
        "would look better than it is."
    )
    calibrate_at_verify = (
        "From {threshold} on: {wrong} of pairs of different people match (at most {upper}), {missed} of one person's "
        "are missed."
    )
    calibrate_at_identify = (
        "From {threshold} on: {wrong} of strangers get a name (at most {upper}), {missed} of those enrolled are missed."
    )
    calibrate_histogram, calibrate_det = "How scores are spread", "One error against the other"
    calibrate_strangers, calibrate_same = "different people", "one person"
    calibrate_share = "share of comparisons"
    calibrate_curve = "every threshold"
    calibrate_fmr, calibrate_fnmr = "different people who match (FMR)", "one person missed (FNMR)"
    calibrate_fpir, calibrate_fnir = "strangers with a name (FPIR)", "enrolled, not found (FNIR)"
    calibrate_histogram_alt = (
        "Half of the comparisons of different people score below {strangers}, half of those of one person above "
        "{same}; the threshold stands at {threshold}."
    )
    calibrate_det_alt = (
        "At the threshold {threshold}: {wrong_name} {wrong}, {missed_name} {missed}. A higher threshold lowers the "
        "first and raises the second."
    )
    calibrate_table = "The same as a table"


class Chinese(English):
    """Simplified Chinese."""

    calibrate = "校准"
    calibrate_lead = "说出您能接受多大的错误率；本页用已知身份的照片，找出从多少分起算作同一个人。"
    calibrate_now = "目前使用"
    calibrate_now_verify = "比对：从 {threshold} 分起；不同的人中有 {rate} 达到它。"
    calibrate_now_identify = "识别：从 {threshold} 分起；陌生人中有 {rate} 得到了名字。"
    calibrate_clear = "恢复模型自带的阈值"
    calibrate_clear_help = "忘掉在这里保存的阈值，其他不变。"
    calibrate_cleared = "重新使用模型卡片上的阈值。"
    calibrate_people = "用哪些人来测量"
    calibrate_of_gallery, calibrate_of_zip, calibrate_of_folder = "已登记的人", "压缩包", "服务器上的文件夹"
    calibrate_zip = "每人一个文件夹的 zip 压缩包"
    calibrate_zip_empty = "{name}：文件夹里没有照片；应为每人一个文件夹。"
    calibrate_folder = "文件夹的完整路径；里面每人一个文件夹"
    calibrate_layout = "例如 张三/1.jpg、张三/2.jpg、李四/1.jpg：每人两张或更多。同一个人不能出现两次。"
    calibrate_nobody = "还没有登记任何人。请先登记一些人，每人几张照片；或者上传其他人的压缩包。"
    calibrate_comparing = "正在互相比较所有人…"
    calibrate_found = "{people} 人，{photos} 张照片。"
    calibrate_failed = "{count} 张照片无法使用，按漏认计算。"
    calibrate_copies = "去掉了 {count} 张重复的照片。"
    calibrate_drawn = "其中随机抽取的人的 {count} 张照片参与比较。"
    calibrate_wish = "您能接受的错误率"
    calibrate_task = "用于"
    calibrate_verify, calibrate_identify = "比对：两张照片", "识别：这是谁？"
    calibrate_rate_verify = "不同的两个人中，最多有多少可以被当成同一个人（FMR）"
    calibrate_rate_identify = "陌生人中，最多有多少可以得到某个已登记者的名字（FPIR）"
    calibrate_refused = "这些人不足以证明这样的错误率"
    calibrate_threshold = "阈值 {threshold}"
    calibrate_means_verify = "两张照片得分不低于 {threshold} 就算同一个人。阈值由一半的人得出，在另一半人身上检验。"
    calibrate_means_identify = (
        "人员库中有 {size} 人时，最高得分不低于 {threshold} 的人得到该名字。阈值由一半的人得出，在另一半人身上检验。"
    )
    calibrate_wrong_verify = (
        "的不同的人会被当成同一个人。有 95 % 的把握不超过 {upper}，即每 {one_in} 对中有一对：依据 {count} 对比较。"
    )
    calibrate_wrong_identify = (
        "的陌生人会得到名字。有 95 % 的把握不超过 {upper}，即每 {one_in} 人中有一人：依据 {count} 人。"
    )
    calibrate_missed_verify = "的同一个人的照片会被漏认，依据 {count} 对比较。"
    calibrate_missed_identify = "的已登记者会找不到，依据 {count} 张照片。"
    calibrate_beyond = "这么少见的错误无法用这些人数出来：阈值是由现有得分外推得到的，因此上限也较宽。"
    calibrate_save = "使用这个阈值"
    calibrate_saved = "已保存：从现在起使用阈值 {threshold}。"
    calibrate_try = "看看别的阈值"
    calibrate_try_help = "仅供查看。保存的是上面错误率对应的阈值：照这里的结果挑选的阈值，会显得比实际更好。"
    calibrate_at_verify = (
        "从 {threshold} 分起：不同的人有 {wrong} 被当成同一个人（至多 {upper}），同一个人有 {missed} 被漏认。"
    )
    calibrate_at_identify = (
        "从 {threshold} 分起：陌生人有 {wrong} 得到名字（至多 {upper}），已登记者有 {missed} 被漏认。"
    )
    calibrate_histogram, calibrate_det = "得分的分布", "两种错误的关系"
    calibrate_strangers, calibrate_same = "不同的人", "同一个人"
    calibrate_share = "占比较的比例"
    calibrate_curve = "每个阈值"
    calibrate_fmr, calibrate_fnmr = "不同的人被当成同一人（FMR）", "同一个人被漏认（FNMR）"
    calibrate_fpir, calibrate_fnir = "陌生人得到名字（FPIR）", "已登记却找不到（FNIR）"
    calibrate_histogram_alt = (
        "不同的人的比较有一半低于 {strangers} 分，同一个人的比较有一半高于 {same} 分；阈值在 {threshold}。"
    )
    calibrate_det_alt = (
        "阈值为 {threshold} 时：{wrong_name} {wrong}，{missed_name} {missed}。阈值越高，前者越低，后者越高。"
    )
    calibrate_table = "同样的内容，以表格显示"
