"""Words of the page Challenge."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    challenge = "Challenge"
    challenge_lead = (
        "Is somebody really there? You are told a few movements of the head, drawn by chance. Record a video of "
        "yourself doing them, and bring it: it is judged whether one face made them, in this order, and is no flat "
        "picture."
    )
    challenge_limits = (
        "No printed photo passed of those that were tried, which were rendered. A mask, a video that somebody steers, "
        "or one that was edited within the two minutes may pass: use this beside other means, and not instead of them."
    )
    challenge_new, challenge_other = "Tell me what to do", "Other movements"
    challenge_do = "Record a video in which you do this, one after the other"
    challenge_until = "The video has to be here within {minutes} minutes, and is judged once. It is not kept."
    challenge_still = "Look straight at the camera and hold still for a second."
    challenge_steps: ClassVar[dict[str, str]] = {
        "left": "Turn your head to your left, and back.",
        "right": "Turn your head to your right, and back.",
        "up": "Look up, and back.",
        "down": "Look down, and back.",
        "blink": "Blink twice.",
    }
    challenge_video = "The video"
    challenge_mirrored = "In the video left and right are exchanged, as some phones' front cameras do"
    challenge_judging = "Looking at the video…"
    challenge_followed, challenge_not = "The challenge was followed", "The challenge was not followed"
    challenge_done = "Done, by one face that is not flat: {steps}."
    challenge_step_names: ClassVar[dict[str, str]] = {
        "left": "left",
        "right": "right",
        "up": "up",
        "down": "down",
        "blink": "two blinks",
    }
    challenge_between = ", "
    challenge_why: ClassVar[dict[str, str]] = {
        "no_face": "No face was seen.",
        "not_still": "The face never looked straight at the camera and held still before the first movement.",
        "wrong_step": "The head turned another way than was asked.",
        "too_slow": "A movement was not done in time.",
        "lost": "The face was out of sight.",
        "jump": "The head turned faster than heads do: the video seems to have been cut.",
        "other_face": "Another face came in place of the one that began.",
        "flat": "The face stayed as flat as a picture while it turned.",
        "unclear": "The face was too blurred, dark or fast to tell. Use more light, and move more slowly.",
        "unfinished": "The video ended before every movement was done and the head was back.",
    }
    challenge_at = "That was {seconds} s into the video."
    challenge_again = "Ask for new movements to try again."
    challenge_who = "Who it was: {name}."
    challenge_nobody = "Who it was cannot be said: {kind}."


class Chinese(English):
    """Simplified Chinese."""

    challenge = "动作验证"
    challenge_lead = (
        "对面真的有人吗？页面会随机给出几个头部动作。请录一段自己做这些动作的视频并上传："
        "系统判断是否由同一张脸按此顺序完成，并且不是平面的图片。"
    )
    challenge_limits = (
        "试过的打印照片（渲染而成）都没有通过。面具、由人操控的视频，或在两分钟内剪辑的视频可能会通过："
        "请与其他手段一起使用，而不是替代它们。"
    )
    challenge_new, challenge_other = "告诉我做什么", "换一组动作"
    challenge_do = "请录一段视频，依次做以下动作"
    challenge_until = "视频必须在 {minutes} 分钟内上传，只判断一次，不会保存。"
    challenge_still = "正对镜头，保持一秒不动。"
    challenge_steps: ClassVar[dict[str, str]] = {
        "left": "把头转向自己的左边，再转回来。",
        "right": "把头转向自己的右边，再转回来。",
        "up": "抬头，再回来。",
        "down": "低头，再回来。",
        "blink": "眨两次眼。",
    }
    challenge_video = "视频"
    challenge_mirrored = "视频左右颠倒（某些手机前置镜头如此）"
    challenge_judging = "正在查看视频…"
    challenge_followed, challenge_not = "动作验证通过", "动作验证未通过"
    challenge_done = "由同一张不是平面的脸完成：{steps}。"
    challenge_step_names: ClassVar[dict[str, str]] = {
        "left": "向左",
        "right": "向右",
        "up": "向上",
        "down": "向下",
        "blink": "眨眼两次",
    }
    challenge_between = "，"
    challenge_why: ClassVar[dict[str, str]] = {
        "no_face": "没有看到人脸。",
        "not_still": "第一个动作之前，脸没有正对镜头保持不动。",
        "wrong_step": "头转的方向与要求的不同。",
        "too_slow": "有一个动作没有按时完成。",
        "lost": "脸离开了画面。",
        "jump": "头转得比真人快：视频似乎被剪辑过。",
        "other_face": "中途换成了另一张脸。",
        "flat": "脸在转动时像图片一样平。",
        "unclear": "脸太模糊、太暗或动得太快，无法判断。请增加光线，动作放慢。",
        "unfinished": "视频在所有动作完成、头回到原位之前就结束了。",
    }
    challenge_at = "出现在视频的第 {seconds} 秒。"
    challenge_again = "要再试一次，请重新获取动作。"
    challenge_who = "此人是：{name}。"
    challenge_nobody = "无法说出是谁：{kind}。"
