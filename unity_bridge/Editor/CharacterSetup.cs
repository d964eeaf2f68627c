using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>The menu that puts everything a character needs on it.</summary>
    static class CharacterSetup
    {
        const string Path = "GameObject/TokTalk/Set Up Selected Character";

        [MenuItem(Path, false, 10)]
        static void SetUp()
        {
            GameObject character = Selection.activeGameObject;
            Undo.SetCurrentGroupName("Set up TokTalk");
            Add<TokTalkReceiver>(character);
            Add<TokTalkFace>(character);
            Add<TokTalkAudio>(character);
            Add<TokTalkHead>(character);
            EditorUtility.SetDirty(character);
        }

        [MenuItem(Path, true)]
        static bool MaySetUp()
        {
            return Selection.activeGameObject != null
                && Selection.activeGameObject.GetComponentInChildren<SkinnedMeshRenderer>(true) != null;
        }

        static void Add<T>(GameObject character) where T : Component
        {
            if (character.GetComponentInChildren<T>(true) == null)
                Undo.AddComponent<T>(character);
        }
    }
}
